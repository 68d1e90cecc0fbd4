/** Errors of a containers-storage: the reasons of containers-storage.md §7.1, each in one of the families of Sluice. */
import { SluiceError, type ErrorCode, type SluiceErrorOptions } from '../../errors.js'

const families = {
  STORE_NOT_FOUND: 'SLUICE_NOT_FOUND',
  STORE_LOCKED: 'SLUICE_FAILED',
  STORE_UNREADABLE: 'SLUICE_IO',
  STORE_CORRUPT: 'SLUICE_FORMAT',
  IMAGE_NOT_FOUND: 'SLUICE_NOT_FOUND',
  IMAGE_AMBIGUOUS: 'SLUICE_USAGE',
  MANIFEST_UNSUPPORTED: 'SLUICE_UNSUPPORTED',
  MANIFEST_CORRUPT: 'SLUICE_DIGEST_MISMATCH',
  CONFIG_CORRUPT: 'SLUICE_DIGEST_MISMATCH',
  LAYER_NOT_FOUND: 'SLUICE_NOT_FOUND',
  LAYER_CHAIN_MISMATCH: 'SLUICE_FORMAT',
  LAYER_NO_TARSPLIT: 'SLUICE_UNSUPPORTED',
  LAYER_COMPOSEFS: 'SLUICE_UNSUPPORTED',
  LAYER_INCOMPLETE: 'SLUICE_UNSUPPORTED',
  LAYER_ADDITIONAL_STORE: 'SLUICE_UNSUPPORTED',
  TARSPLIT_CORRUPT: 'SLUICE_FORMAT',
  LAYER_DATA_MISSING: 'SLUICE_NOT_FOUND',
  LAYER_DATA_SIZE: 'SLUICE_SIZE_MISMATCH',
  LAYER_DATA_CRC: 'SLUICE_DIGEST_MISMATCH',
  LAYER_DATA_TYPE: 'SLUICE_FORMAT',
  LAYER_DIGEST: 'SLUICE_DIGEST_MISMATCH',
  LAYER_VANISHED: 'SLUICE_NOT_FOUND',
} as const satisfies Record<string, ErrorCode>

export type StorageReason = keyof typeof families

/** A pull alone would not do: it leaves layers that the storage has as they are. */
const PULL_ANEW = 'remove the image from the storage and pull it again; or pull it from its registry'

/** What to do, where the error does not say it better. */
const hints: Partial<Record<StorageReason, string>> = {
  STORE_CORRUPT: '`podman system check` (podman 5.2) tells what is damaged in the storage',
  MANIFEST_CORRUPT: PULL_ANEW,
  CONFIG_CORRUPT: PULL_ANEW,
  LAYER_NOT_FOUND: PULL_ANEW,
  LAYER_CHAIN_MISMATCH: PULL_ANEW,
  TARSPLIT_CORRUPT: PULL_ANEW,
  LAYER_DATA_MISSING: PULL_ANEW,
  LAYER_DATA_SIZE: PULL_ANEW,
  LAYER_DATA_CRC: PULL_ANEW,
  LAYER_DATA_TYPE: PULL_ANEW,
  LAYER_DIGEST: PULL_ANEW,
}

/** The reason is in `details.reason`, beside facts such as `layer` and `path`. */
export function storageError(reason: StorageReason, message: string, options: SluiceErrorOptions = {}): SluiceError {
  const hint = options.hint ?? hints[reason]
  return new SluiceError(families[reason], message, {
    ...options,
    ...(hint !== undefined && { hint }),
    details: { reason, ...options.details },
  })
}

/** The reason of an error, or undefined if it has none. */
export function storageReason(error: unknown): StorageReason | undefined {
  const reason = error instanceof SluiceError ? error.details['reason'] : undefined
  return typeof reason === 'string' && Object.hasOwn(families, reason) ? (reason as StorageReason) : undefined
}
