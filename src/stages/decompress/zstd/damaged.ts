import type { SluiceError } from '../../../errors.js'
import { compressionError } from '../compression-error.js'

/** The error for a zstd block or frame that no encoder makes. */
export function damaged(what: string): SluiceError {
  return compressionError('zstd', `the data is corrupt: ${what}`)
}
