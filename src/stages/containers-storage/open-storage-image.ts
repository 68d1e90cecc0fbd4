import { SluiceError } from '../../errors.js'
import { storageError } from '../../formats/cstor/storage-error.js'
import { LayerIndex, type ChainLayer } from '../../formats/cstor/layer-chain.js'
import { matchImage, statedDigest, type ImageMatch } from '../../formats/cstor/match-image.js'
import type { ImageRecord, LayerRecord } from '../../formats/cstor/records.js'
import { parseStoreReference } from '../../formats/cstor/store-reference.js'
import type { Digest } from '../../formats/digest.js'
import { quote } from '../../formats/quote.js'
import { readImageDocuments, type ImageDocuments } from './image-documents.js'
import { loadStorageConf, storagePlaces } from './load-storage-conf.js'
import { openStores } from './open-stores.js'
import type { StorageStore } from './storage-store.js'
import { storeCandidates } from './store-candidates.js'
import { TarSplitLayer } from './tar-split-layer.js'
import type { StorageImage, StorageOptions } from './storage-image.js'

/**
 * Finds an image in the local stores, and opens its layers. The shared locks of a store are held only meanwhile, unless
 * `holdLock` asks for more: layers never change, and one that is removed later is noticed.
 *
 * @param reference what follows `containers-storage:`.
 * @throws SluiceError with `details.reason`, a code of containers-storage.md §7.1.
 */
export async function openStorageImage(reference: string, options: StorageOptions): Promise<StorageImage> {
  const { store: part, image: name } = parseStoreReference(reference)
  const places = storagePlaces(options.env)
  const stores = openStores(storeCandidates({ ...options, part }, await loadStorageConf(places), places))
  const layers = new Map<Digest, TarSplitLayer>()
  const close = (): void => {
    for (const resource of [...layers.values(), ...stores]) resource.close()
  }
  try {
    const { image, names, byId, store, documents, chain, passedOver } = await resolveImage(name, stores, options)
    for (const at of new Set([store, ...chain.map((layer) => stores[layer.store])])) {
      await at.lock(options)
      documents.diffIds.forEach((diffId, i) => {
        if (stores[chain[i].store] !== at || layers.has(diffId)) return
        layers.set(diffId, new TarSplitLayer(diffId, chain[i], stores))
      })
      if (options.holdLock !== true) at.unlock()
    }
    return {
      ...documents,
      name: image.names[0] ?? image.id,
      id: image.id,
      names,
      byId,
      statedDigest: statedDigest(name),
      store: store.path,
      driver: store.driver,
      layers: documents.diffIds.map((diffId) => layers.get(diffId)!),
      warnings: [
        ...documents.warnings,
        ...passedOver.map(({ at, error }) => `the storage ${stores[at].path} is passed over: ${error.message}`),
        ...lockWarnings(stores),
      ],
      close,
    }
  } catch (error) {
    close()
    throw error
  }
}

interface ResolvedImage extends Omit<ImageMatch, 'store'> {
  readonly store: StorageStore
  readonly documents: ImageDocuments
  readonly chain: readonly ChainLayer[]
  /** Stores that could not be read, and did not have to be. */
  readonly passedOver: readonly FailedStore[]
}

interface FailedStore {
  /** Its index. */
  readonly at: number
  readonly error: SluiceError
}

/** The only store stays locked; of several, each is locked while it is read. */
async function resolveImage(
  name: string,
  stores: readonly StorageStore[],
  options: StorageOptions,
): Promise<ResolvedImage> {
  const contents: StoreRecords[] = []
  const failed: FailedStore[] = []
  for (const [at, store] of stores.entries()) {
    await store.lock(options)
    const records = readRecords(store)
    if (records instanceof SluiceError) failed.push({ at, error: records })
    contents.push(records instanceof SluiceError ? { images: [], layers: [] } : records)
    if (stores.length > 1) store.unlock()
  }
  const match = matchImage(
    name,
    contents.map(({ images }) => images),
  )
  // A store that cannot be read may have what is not found elsewhere, and comes before those behind it.
  const first = failed[0]
  if (first !== undefined && (match === undefined || first.at < match.store)) throw first.error
  if (match === undefined) {
    throw storageError(
      'IMAGE_NOT_FOUND',
      `${quote(name)} is in none of: ${stores.map(({ path }) => path).join(', ')}`,
      {
        hint: 'see `podman images`; images of other users are in stores of their own',
      },
    )
  }
  const store = stores[match.store]
  await store.lock(options)
  const documents = readImageDocuments(store, match.image, statedDigest(name))
  const index = new LayerIndex(
    contents.map(({ layers }) => layers),
    match.store,
  )
  try {
    const chain = index.resolve(match.image.layer, documents.diffIds)
    return { ...match, store, documents, chain, passedOver: failed }
  } catch (error) {
    throw first === undefined ? error : first.error
  }
}

interface StoreRecords {
  readonly images: readonly ImageRecord[]
  readonly layers: readonly LayerRecord[]
}

/** The records of a store, or why they cannot be read. */
function readRecords(store: StorageStore): StoreRecords | SluiceError {
  try {
    return { images: store.readImages(), layers: store.readLayers() }
  } catch (error) {
    if (error instanceof SluiceError) return error
    throw error
  }
}

function lockWarnings(stores: readonly StorageStore[]): string[] {
  return stores.flatMap(({ unlockable }) =>
    unlockable === undefined
      ? []
      : [`${unlockable} cannot be locked on this system: podman can remove layers while they are read`],
  )
}
