import { SluiceError } from '../../errors.js'

/** The error for zstd data that cannot or may not be decoded. */
export function zstdError(message: string): SluiceError {
  return new SluiceError('SLUICE_COMPRESSION', `zstd: ${message}`)
}

/** The error for a block or frame that no encoder makes. */
export function damaged(what: string): SluiceError {
  return zstdError(`the data is corrupt: ${what}`)
}
