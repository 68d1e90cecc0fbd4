import { SluiceError } from '../../errors.js'
import type { Compression } from '../../formats/oci/media-types.js'

/** The error for compressed data that is corrupt, cut short or followed by junk. */
export function compressionError(compression: Compression, message: string, cause?: unknown): SluiceError {
  return new SluiceError('SLUICE_COMPRESSION', `${compression}: ${message}`, cause === undefined ? {} : { cause })
}
