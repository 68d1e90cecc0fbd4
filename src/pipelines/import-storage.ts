/** A layer of a local containers-storage into the repository: files by clone where that is possible, else by copy. */
import { readFileSync } from 'node:fs'
import { naming, SluiceError } from '../errors.js'
import { storageError, storageReason } from '../formats/cstor/storage-error.js'
import type { ImageLayer } from '../formats/oci/image-layers.js'
import { closeQuietly } from '../repository/close-quietly.js'
import type { StorageLayer } from '../stages/containers-storage/storage-image.js'
import { isUnchanged } from '../stages/object/file-crc.js'
import { FileSharer } from '../stages/object/share-file.js'
import { packPieces } from '../stages/slab/pack-pieces.js'
import { importSlabs, type ImportedLayer, type ImportMeters } from '../stages/tar/import-layer.js'
import type { OpenEngine } from '../workers/open-engine.js'
import type { PullRun } from './pull-run.js'

/**
 * One layer: pieces → slabs → import.
 *
 * @throws SluiceError that names the layer and, as far as one is to blame, the file.
 */
export async function importStorageLayer(
  { repository, options, entryBudget, signal }: Pick<PullRun, 'repository' | 'options' | 'entryBudget' | 'signal'>,
  engine: OpenEngine,
  { id, diffId }: Pick<ImageLayer, 'id' | 'diffId'>,
  layer: StorageLayer,
  meters: ImportMeters,
  onProgress: (bytes: number) => void,
): Promise<ImportedLayer> {
  const { requireReflink = false, hardlinks = 'never', trust = false } = options.storage ?? {}
  const verify = !trust || layer.mustVerify
  const packing = {
    ...engine,
    sharer: new FileSharer(repository.objects),
    policy: { required: requireReflink, hardlinks },
    checkCrc: !verify,
    signal,
  }
  try {
    const slabs = packPieces(layer.pieces({ signal }), packing)
    const told = (async function* () {
      for await (const slab of slabs) {
        onProgress(slab.length)
        yield slab
      }
    })()
    return await importSlabs(repository, engine, { id, diffId }, told, { entries: entryBudget, meters, verify, signal })
  } catch (error) {
    if (signal.aborted) throw error
    throw naming(await explain(error, layer, signal), layer.id, `layer ${layer.id} of the storage`)
  }
}

/**
 * Opens every file of the layers once, if this process may not read just any file: better to know now that some cannot be
 * read than after others were imported. Takes 20 µs for each.
 *
 * @throws SluiceError with `details.reason` `STORE_UNREADABLE`; whatever else is wrong is told by the import.
 */
export async function ensureReadable(layers: readonly StorageLayer[], signal: AbortSignal): Promise<void> {
  if (mayReadAnything()) return
  for (const layer of layers) {
    try {
      for await (const { file } of layer.pieces({ signal })) if (file !== undefined) closeQuietly(file.fd)
    } catch (error) {
      if (storageReason(error) === 'STORE_UNREADABLE' || signal.aborted) throw error
    }
  }
}

const CAP_DAC_OVERRIDE = 1n << 1n

function mayReadAnything(): boolean {
  if (process.getuid?.() === 0) return true
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  return effective !== undefined && (BigInt(`0x${effective}`) & CAP_DAC_OVERRIDE) !== 0n
}

/** Another tar than that of the diff_id is the storage's fault: in the words of containers-storage.md §7.1, with the file. */
async function explain(error: unknown, layer: StorageLayer, signal: AbortSignal): Promise<unknown> {
  const isOtherTar = error instanceof SluiceError && error.code === 'SLUICE_DIGEST_MISMATCH'
  if (!isOtherTar || storageReason(error) !== undefined) return error
  const changed = await findChangedFile(layer, signal)
  const file = changed === undefined ? '' : `: ${changed} has changed since it was stored`
  return storageError('LAYER_DIGEST', `${error.message}${file}`, {
    cause: error,
    details: { ...error.details, layer: layer.id, ...(changed !== undefined && { path: changed }) },
  })
}

/** The first file whose content is not what the storage once took down, read once more for the sake of its name. */
async function findChangedFile(layer: StorageLayer, signal: AbortSignal): Promise<string | undefined> {
  try {
    for await (const { file } of layer.pieces({ signal })) {
      if (file !== undefined && !isUnchanged(file)) return file.path
    }
  } catch {
    // It is the digest that is told.
  }
  return undefined
}
