/** The check that every blob passes, whatever source it comes from: size and digest, while it streams. */
import { createHash } from 'node:crypto'
import { SluiceError } from '../../errors.js'
import { digestHashName, type Digest } from '../../formats/digest.js'
import type { Descriptor } from '../../formats/oci/descriptor.js'
import { MAX_DOCUMENT_BYTES } from '../../formats/oci/json-fields.js'

/** A digest in the making. */
export interface BlobDigest {
  /** Passes bytes on while it takes them; in chunks of its own, which are good until the next one is asked for. */
  through(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array>
  /** In hex. Ends it. */
  end(): string | Promise<string>
  /** Ends it without a result; nothing after `end`. */
  abort(): void
}

/** @param algorithm name of a hash that Node knows. */
export type CreateBlobDigest = (algorithm: string) => BlobDigest

const digestHere: CreateBlobDigest = (algorithm) => {
  const hash = createHash(algorithm)
  return {
    async *through(chunks) {
      for await (const chunk of chunks) {
        hash.update(chunk)
        yield chunk
      }
    },
    end: () => hash.digest('hex'),
    abort: () => undefined,
  }
}

/**
 * Passes `chunks` on and completes only if together they have the size and digest of `descriptor`. Stops reading as
 * soon as there are too many bytes; the excess is not passed on.
 *
 * @param where the reference, for errors.
 * @param createDigest by default the digest is computed here, as the chunks pass.
 * @throws SluiceError `SLUICE_SIZE_MISMATCH`, `SLUICE_DIGEST_MISMATCH`.
 */
export async function* verifyBlob(
  chunks: AsyncIterable<Uint8Array>,
  { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
  where: string,
  createDigest = digestHere,
): AsyncGenerator<Uint8Array> {
  let received = 0
  const counted = async function* () {
    for await (const chunk of chunks) {
      received += chunk.length
      if (received > size) throw sizeMismatch(where, digest, size, `at least ${received}`)
      yield chunk
    }
    if (received !== size) throw sizeMismatch(where, digest, size, String(received))
  }
  const blobDigest = createDigest(digestHashName(digest))
  try {
    yield* blobDigest.through(counted())
    checkDigest(digest, await blobDigest.end(), where)
  } finally {
    blobDigest.abort()
  }
}

/** Checks bytes that are in memory. */
export function verifyBytes(
  bytes: Uint8Array,
  { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
  where: string,
): void {
  if (bytes.length !== size) throw sizeMismatch(where, digest, size, String(bytes.length))
  verifyDigest(bytes, digest, where)
}

export function verifyDigest(bytes: Uint8Array, digest: Digest, where: string): void {
  checkDigest(digest, createHash(digestHashName(digest)).update(bytes).digest('hex'), where)
}

export function sizeMismatch(
  where: string,
  digest: Digest,
  expected: number,
  found: string,
  hint?: string,
): SluiceError {
  const message = `${where}: blob ${digest}: Expected size ${expected} but found ${found}`
  return new SluiceError('SLUICE_SIZE_MISMATCH', message, {
    details: { digest, expected },
    ...(hint === undefined ? {} : { hint }),
  })
}

function checkDigest(digest: Digest, hex: string, where: string): void {
  const actual = `${digest.slice(0, digest.indexOf(':'))}:${hex}`
  if (actual === digest) return
  throw new SluiceError('SLUICE_DIGEST_MISMATCH', `${where}: blob ${digest} has the digest ${actual}`, {
    hint: 'the blob is damaged at its source or on the way',
    details: { digest, actual },
  })
}

/** Refuses documents that are larger than any document is, before a byte of them is fetched. */
export function checkDocumentSize({ digest, size }: Descriptor, where: string): void {
  if (size <= MAX_DOCUMENT_BYTES) return
  throw new SluiceError(
    'SLUICE_FORMAT',
    `${where}: document ${digest} has ${size} bytes, more than the limit of ${MAX_DOCUMENT_BYTES}`,
  )
}

/** The blob out of its own descriptor, if it is there and right (descriptors with a `data` field). */
export function embeddedData({ data, digest, size }: Descriptor): Buffer | undefined {
  if (data === undefined || data.length > 4 * Math.ceil(size / 3)) return undefined
  const bytes = Buffer.from(data, 'base64')
  if (bytes.length !== size) return undefined
  const hex = createHash(digestHashName(digest)).update(bytes).digest('hex')
  return digest.endsWith(`:${hex}`) ? bytes : undefined
}

/** All chunks in one buffer; their number of bytes must have been limited before. */
export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const chunk of chunks) pieces.push(chunk)
  return Buffer.concat(pieces)
}
