/** The payload of a stream that keeps a summary, for conditional requests (ostree.md §4.6). */
import { createHash } from 'node:crypto'
import { formatError } from '../../errors.js'
import { asBuffer } from '../bytes.js'

export interface CachedSummary {
  /** Header values as received; empty if there was none. */
  readonly etag: string
  readonly lastModified: string
  /** SHA-256 of the summary, hex. */
  readonly digest: string
  readonly summary: Uint8Array
}

/** Two lengths and the digest. */
const HEAD_LENGTH = 36

const malformed = (message: string) => formatError('summary cache', message)

/** @throws SluiceError `SLUICE_FORMAT`: cut, or its digest is that of another summary. */
export function readSummaryCache(payload: Uint8Array): CachedSummary {
  const bytes = asBuffer(payload)
  if (bytes.length < HEAD_LENGTH) throw malformed('it ends in its head')
  const etagEnd = HEAD_LENGTH + bytes.readUInt16LE(0)
  const lastModifiedEnd = etagEnd + bytes.readUInt16LE(2)
  if (lastModifiedEnd > bytes.length) throw malformed('it ends in the values of headers')
  const digest = bytes.toString('hex', 4, HEAD_LENGTH)
  const summary = bytes.subarray(lastModifiedEnd)
  if (createHash('sha256').update(summary).digest('hex') !== digest) throw malformed('the summary is damaged')
  return {
    etag: bytes.toString('latin1', HEAD_LENGTH, etagEnd),
    lastModified: bytes.toString('latin1', etagEnd, lastModifiedEnd),
    digest,
    summary,
  }
}

/** @throws SluiceError `SLUICE_FORMAT`: a header value of 64 KiB or more. */
export function writeSummaryCache(etag: string, lastModified: string, summary: Uint8Array): Buffer {
  const head = Buffer.alloc(4)
  for (const [index, value] of [etag, lastModified].entries()) {
    if (value.length > 0xffff) throw malformed('the value of a header is too long')
    head.writeUInt16LE(value.length, 2 * index)
  }
  const digest = createHash('sha256').update(summary).digest()
  return Buffer.concat([head, digest, Buffer.from(etag + lastModified, 'latin1'), summary])
}
