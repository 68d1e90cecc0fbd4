import type { SluiceError } from '../../errors.js'
import { storageError } from '../../formats/cstor/storage-error.js'
import { StorageStore } from './storage-store.js'
import type { StoreCandidate } from './store-candidates.js'

/**
 * Opens the stores that there are.
 *
 * @throws SluiceError `STORE_NOT_FOUND` if there is none, or one that was named is none; `STORE_UNREADABLE` if one that was
 *   named must not be looked into.
 */
export function openStores(candidates: readonly StoreCandidate[]): StorageStore[] {
  const stores: StorageStore[] = []
  const tried: string[] = []
  try {
    for (const { path, drivers, named } of candidates) {
      const store = StorageStore.open(path, drivers)
      if (store instanceof StorageStore) {
        stores.push(store)
        continue
      }
      tried.push(store.reason)
      if (named) throw store.denied ? unreadable(store.reason) : notFound([store.reason])
    }
    if (stores.length === 0) throw notFound(tried)
    return stores
  } catch (error) {
    for (const store of stores) store.close()
    throw error
  }
}

function notFound(tried: readonly string[]): SluiceError {
  return storageError('STORE_NOT_FOUND', `no containers-storage found; tried: ${tried.join('; ')}`, {
    hint: 'name its graphroot with --storage-root; `podman info` shows it',
  })
}

function unreadable(reason: string): SluiceError {
  return storageError('STORE_UNREADABLE', `cannot read containers-storage: ${reason}`, {
    hint: 'run it as root, or inside `podman unshare`',
  })
}
