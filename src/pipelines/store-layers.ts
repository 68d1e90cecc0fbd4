/**
 * Each missing layer is stored once, whoever else wants it at the same moment (design.md §2). It gets its name when all of it is
 * on disk (repository.md §2.9).
 *
 * In one process the pulls into an open repository share the work; between processes the lock of the blob decides. Nobody
 * holds a lock while waiting for another one, so there are no cycles; and layers that somebody else is busy with come
 * last, so that two pulls of one image share its layers between them.
 */
import { ExitStatus, SluiceError, withContext } from '../errors.js'
import type { Digest, ObjectId } from '../formats/digest.js'
import type { ImageLayer } from '../formats/oci/image-layers.js'
import { Breather } from '../flow/breather.js'
import { OncePerKey } from '../flow/once-per-key.js'
import { runAll } from '../flow/run-all.js'
import { streamName } from '../repository/names.js'
import type { Part } from '../repository/parts/part.js'
import type { PartStore } from '../repository/parts/part-store.js'
import type { Repository } from '../repository/repository.js'
import { findStoredLayer, isWholeLayer, saysDamaged } from '../repository/stored-image.js'
import { contentDigest } from '../stages/splitstream/content-digest.js'
import type { PullEvent } from './pull-events.js'

export interface StoreLayers {
  readonly repository: Repository
  /** Layers at a time. */
  readonly concurrency: number
  /** Whether to keep what arrived of a blob. */
  readonly keepParts: boolean
  readonly signal: AbortSignal
  readonly emit: (event: PullEvent) => void
  /** Fetches and imports a layer, going on from `part`. */
  readonly fetch: (layer: ImageLayer, part: Part | undefined, signal: AbortSignal) => Promise<ObjectId>
}

export interface StoredLayers {
  /** The splitstreams, as soon as all are there, and nothing is fetched any more; they may not have their names yet. */
  readonly streams: Promise<ReadonlyMap<Digest, ObjectId>>
  /** How many layers were fetched here, when all are on disk and have their names. Settled only when nothing is under way. */
  readonly fetched: Promise<number>
}

/** One `storeLayers`. */
interface Run extends StoreLayers {
  readonly onImported: (layer: ImageLayer, stream: ObjectId) => void
}

interface LayerOutcome {
  readonly stream: ObjectId
  /** False if somebody else stored it. */
  readonly isOwn: boolean
}

/** Whether to come back later for a layer that somebody else is busy with. */
type Patience = 'skip-busy' | 'wait'

/** How long a wait may last, in milliseconds, before it is told. */
const WAIT_NOTICE_MS = 1000

/** By repository, so that pulls which share one share their layers. */
const layersUnderWay = new WeakMap<Repository, OncePerKey<Digest, LayerOutcome | 'busy'>>()

/** Stores layers that were missing, each once in the list. */
export function storeLayers(run: StoreLayers, layers: readonly ImageLayer[]): StoredLayers {
  const streams = new Map<Digest, ObjectId>()
  let onAllImported: () => void
  const allImported = new Promise<void>((resolve) => (onAllImported = resolve))
  const onImported: Run['onImported'] = ({ id }, stream) => {
    streams.set(id, stream)
    if (streams.size === layers.length) onAllImported()
  }
  const fetched = storeAll({ ...run, onImported }, layers)
  return { streams: Promise.race([allImported, fetched]).then(() => streams), fetched }
}

async function storeAll(run: Run, layers: readonly ImageLayer[]): Promise<number> {
  const busy: ImageLayer[] = []
  let fetched = 0
  const store = async (layer: ImageLayer, patience: Patience): Promise<void> => {
    const stored = await storeOnce(run, layer, patience)
    if (stored === 'busy') {
      busy.push(layer)
      return
    }
    if (stored.isOwn) fetched++
    else {
      run.onImported(layer, stored.stream)
      run.emit({ type: 'skipped', id: layer.id })
    }
  }
  await runAll(layers, run.concurrency, (layer) => store(layer, 'skip-busy'))
  await runAll(busy, run.concurrency, (layer) => store(layer, 'wait'))
  return fetched
}

async function storeOnce(run: Run, layer: ImageLayer, patience: Patience): Promise<LayerOutcome | 'busy'> {
  const underWay = layersUnderWay.get(run.repository) ?? new OncePerKey()
  layersUnderWay.set(run.repository, underWay)
  if (patience === 'skip-busy' && underWay.has(layer.id)) return 'busy'
  const notice = new WaitNotice(run, layer, patience)
  try {
    for (;;) {
      let own: Promise<LayerOutcome | 'busy'> | undefined
      try {
        const stored = await underWay.run(layer.id, run.signal, (signal) => {
          own = storeUnderLock(run, layer, patience, notice, AbortSignal.any([signal, run.signal]))
          return own
        })
        if (own !== undefined) return stored
        if (stored !== 'busy') return { ...stored, isOwn: false }
      } catch (error) {
        // It uses what this run closes when it ends.
        if (own !== undefined) await Promise.allSettled([own])
        if (own !== undefined || run.signal.aborted || isSharedFailure(error)) throw error
      }
    }
  } finally {
    notice.end()
  }
}

/** Bad content and a full disk are the same for all; a source that fails or is closed is that of one pull. */
function isSharedFailure(error: unknown): boolean {
  const status = error instanceof SluiceError ? error.exitStatus : undefined
  return status === ExitStatus.verification || status === ExitStatus.storage
}

async function storeUnderLock(
  run: Run,
  layer: ImageLayer,
  patience: Patience,
  notice: WaitNotice,
  signal: AbortSignal,
): Promise<LayerOutcome | 'busy'> {
  const { parts } = run.repository
  const taken = patience === 'wait' ? await parts.take(layer.descriptor, signal) : parts.tryTake(layer.descriptor)
  if (taken === undefined) return 'busy'
  notice.end()
  const { part, release } = taken
  try {
    const present =
      (await findFinished(run.repository, layer, part)) ?? (await findAsTar(run.repository, layer, signal))
    if (present !== undefined) {
      part.drop()
      return { stream: present, isOwn: false }
    }
    const stream = await fetchWithPart(run, layer, part, signal)
    run.onImported(layer, stream)
    await publish(run.repository, layer, stream, part)
    return { stream, isOwn: true }
  } finally {
    release()
  }
}

/** The layer if it was stored meanwhile, or by a run that was killed before it could link it. */
async function findFinished(
  repository: Repository,
  layer: ImageLayer,
  { sealed }: Part,
): Promise<ObjectId | undefined> {
  const type = layer.treatment.type === 'tar' ? 'layer' : 'blob'
  const stored = findStoredLayer(repository, layer.id, type)
  if (stored !== undefined || sealed?.stream !== streamName.layer(layer.id)) return stored
  if (!isWholeLayer(repository, sealed.object, type)) return undefined
  await giveName(repository, layer, sealed.object)
  return sealed.object
}

/**
 * The layer of an artifact that is no tar to it, if it is stored as the layer of an image. A stream of its own would take the name
 * from that one, by which the image's files are kept from `cfsctl gc`; the reference takes what has the name, too. Its content
 * decides: that of another artifact may have been a compressed tar.
 */
async function findAsTar(
  repository: Repository,
  { id, treatment }: ImageLayer,
  signal: AbortSignal,
): Promise<ObjectId | undefined> {
  const tar = treatment.type === 'blob' ? findStoredLayer(repository, id, 'layer') : undefined
  if (tar === undefined) return undefined
  const stream = repository.openStreamObject(tar, `layer ${id}`)
  try {
    return (await contentDigest(repository, stream, id, new Breather(signal))) === id ? tar : undefined
  } catch (error) {
    if (saysDamaged(error)) return undefined
    throw error
  } finally {
    stream.close()
  }
}

/** Has a layer written out that is imported, and names it; of its blob nothing stays. */
async function publish(repository: Repository, layer: ImageLayer, stream: ObjectId, part: Part): Promise<void> {
  try {
    // First: what is not there any more need not be synced.
    await part.seal(streamName.layer(layer.id), stream)
    await giveName(repository, layer, stream)
  } catch (error) {
    throw withContext(error, `layer ${layer.id}`)
  } finally {
    part.drop()
  }
}

/** Parts of blobs give way to a name, too. */
async function giveName(repository: Repository, { id }: ImageLayer, stream: ObjectId): Promise<void> {
  const { parts } = repository
  const { freed } = parts
  const give = (): Promise<void> => repository.nameStream(streamName.layer(id), stream)
  try {
    await give()
  } catch (error) {
    if (!makesRoom(parts, freed, error)) throw error
    await give()
  }
}

/** Whether `error` says that the disk is full, and parts of blobs give way to objects, or did a moment before. */
function makesRoom(parts: PartStore, freedBefore: number, error: unknown): boolean {
  if (!isNoSpace(error)) return false
  parts.giveUp()
  return parts.freed > freedBefore
}

/** Fetches a layer; if the part may be to blame for a failure, once more from the beginning. */
async function fetchWithPart(run: Run, layer: ImageLayer, part: Part, signal: AbortSignal): Promise<ObjectId> {
  const { parts } = run.repository
  const resumed = part.length
  const { freed } = parts
  try {
    return await fetchOnce(run, layer, part, signal)
  } catch (error) {
    const isWrong = resumed > 0 && isWrongBlob(error, layer.descriptor.digest)
    if (!isWrong && !makesRoom(parts, freed, error)) throw error
    const why = isWrong ? 'what an earlier run received of it was wrong' : 'parts of blobs gave way to objects'
    run.emit({ type: 'warning', text: `fetching layer ${layer.id} from its beginning: ${why}` })
    await part.restart()
    return fetchOnce(run, layer, part, signal)
  }
}

async function fetchOnce(run: Run, layer: ImageLayer, part: Part, signal: AbortSignal): Promise<ObjectId> {
  try {
    return await run.fetch(layer, run.keepParts ? part : undefined, signal)
  } catch (error) {
    // Bytes that are wrong are not worth keeping; and where there is no space, nothing more is written.
    if (error instanceof SluiceError && error.exitStatus === ExitStatus.verification) part.drop()
    else if (!isNoSpace(error)) await part.keep()
    throw error
  }
}

/** Whether the blob itself, and not the tar in it, has another size or digest. */
function isWrongBlob(error: unknown, digest: Digest): boolean {
  return (
    error instanceof SluiceError &&
    (error.code === 'SLUICE_DIGEST_MISMATCH' || error.code === 'SLUICE_SIZE_MISMATCH') &&
    error.details['digest'] === digest
  )
}

function isNoSpace(error: unknown): boolean {
  return error instanceof SluiceError && error.code === 'SLUICE_NO_SPACE'
}

/** Tells of a wait that takes long. */
class WaitNotice {
  readonly #timer: NodeJS.Timeout | undefined

  constructor({ emit }: Run, { id }: ImageLayer, patience: Patience) {
    if (patience !== 'wait') return
    const text = `waiting for layer ${id}, which another pull is fetching`
    this.#timer = setTimeout(() => emit({ type: 'warning', text }), WAIT_NOTICE_MS)
  }

  end(): void {
    clearTimeout(this.#timer)
  }
}
