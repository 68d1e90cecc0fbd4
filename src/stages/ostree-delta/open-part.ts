/** A part of a delta from its file: checked and decompressed (ostree.md §1.6). */
import { hash } from 'node:crypto'
import { SluiceError } from '../../errors.js'
import { partCompression, readPartPayload, type DeltaPartPayload } from '../../formats/ostree/delta/part.js'
import type { DeltaPart } from '../../formats/ostree/delta/superblock-parts.js'
import { decompressXz } from './decompress-xz.js'

/**
 * Bytes of a part file, and of its payload, that are taken into memory. libostree begins a new part after 32 MiB of
 * content, but an object of its own size comes whole where fallback objects are switched off.
 */
export const MAX_PART = 256 * 1024 * 1024

/** @throws SluiceError `SLUICE_DIGEST_MISMATCH`, `SLUICE_COMPRESSION` or `SLUICE_FORMAT` for what is not the part. */
export async function openPart(
  file: Buffer,
  { digest }: Pick<DeltaPart, 'digest'>,
  signal: AbortSignal,
): Promise<DeltaPartPayload> {
  const actual = hash('sha256', file, 'hex')
  if (actual !== digest) {
    throw new SluiceError('SLUICE_DIGEST_MISMATCH', `it has the checksum ${actual}, expected ${digest}`, {
      details: { expected: digest, actual },
    })
  }
  const payload = file.subarray(1)
  const isPlain = partCompression(file[0]) === 'none'
  return readPartPayload(isPlain ? payload : await decompressXz(payload, MAX_PART, signal))
}

export function tooLarge(what: string): SluiceError {
  return new SluiceError('SLUICE_UNSUPPORTED', `${what} has more than ${MAX_PART} bytes`, {
    hint: 'pull the commit without deltas',
  })
}
