/**
 * Each missing layer is stored once, whoever else wants it at the same moment (design.md §2).
 *
 * In one process the pulls into an open repository share the work; between processes the lock of the blob decides. Nobody
 * holds a lock while waiting for another one, so there are no cycles; and layers that somebody else is busy with come
 * last, so that two pulls of one image share its layers between them.
 */
import { ExitStatus, SluiceError } from '../errors.js'
import type { Digest, ObjectId } from '../formats/digest.js'
import type { ImageLayer } from '../formats/oci/image-layers.js'
import { OncePerKey } from '../flow/once-per-key.js'
import { runAll } from '../flow/run-all.js'
import { streamName } from '../repository/names.js'
import type { Part } from '../repository/parts/part.js'
import type { PartRequest, TakenPart } from '../repository/parts/part-store.js'
import type { Repository } from '../repository/repository.js'
import { findStoredLayer, isWholeLayer } from '../repository/stored-image.js'
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

/** Stores layers that were missing; gives their splitstreams, and how many of them were fetched here. */
export async function storeLayers(
  run: StoreLayers,
  layers: readonly ImageLayer[],
): Promise<{ streams: Map<Digest, ObjectId>; fetched: number }> {
  const streams = new Map<Digest, ObjectId>()
  const busy: ImageLayer[] = []
  let fetched = 0
  const store = async (layer: ImageLayer, patience: Patience): Promise<void> => {
    const stored = await storeOnce(run, layer, patience)
    if (stored === 'busy') {
      busy.push(layer)
      return
    }
    streams.set(layer.id, stored.stream)
    if (stored.isOwn) fetched++
    else run.emit({ type: 'skipped', id: layer.id })
  }
  await runAll(layers, run.concurrency, (layer) => store(layer, 'skip-busy'))
  await runAll(busy, run.concurrency, (layer) => store(layer, 'wait'))
  return { streams, fetched }
}

async function storeOnce(run: StoreLayers, layer: ImageLayer, patience: Patience): Promise<LayerOutcome | 'busy'> {
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
  run: StoreLayers,
  layer: ImageLayer,
  patience: Patience,
  notice: WaitNotice,
  signal: AbortSignal,
): Promise<LayerOutcome | 'busy'> {
  const { digest, size } = layer.descriptor
  const request: PartRequest = { digest, size, stream: streamName.layer(layer.id) }
  const { parts } = run.repository
  const taken = patience === 'wait' ? await parts.take(request, signal) : parts.tryTake(request)
  if (taken === undefined) return 'busy'
  notice.end()
  try {
    const present = await findFinished(run.repository, layer, request, taken)
    if (present === undefined) return { stream: await fetchWithPart(run, layer, taken.part, signal), isOwn: true }
    taken.part.drop()
    return { stream: present, isOwn: false }
  } finally {
    taken.release()
  }
}

/** The layer if it was stored meanwhile, or by a run that was killed before it could link it. */
async function findFinished(
  repository: Repository,
  { id, treatment }: ImageLayer,
  { stream }: PartRequest,
  { part: { sealed } }: TakenPart,
): Promise<ObjectId | undefined> {
  const type = treatment.type === 'tar' ? 'layer' : 'blob'
  const stored = findStoredLayer(repository, id, type)
  if (stored !== undefined || sealed?.stream !== stream) return stored
  if (!isWholeLayer(repository, sealed.object, type)) return undefined
  await repository.sync()
  repository.streams.link(stream, sealed.object)
  return sealed.object
}

/** Fetches a layer; if the part may be to blame for a failure, once more from the beginning. */
async function fetchWithPart(run: StoreLayers, layer: ImageLayer, part: Part, signal: AbortSignal): Promise<ObjectId> {
  const { parts } = run.repository
  const resumed = part.length
  const { freed } = parts
  try {
    return await fetchOnce(run, layer, part, signal)
  } catch (error) {
    const isWrong = resumed > 0 && isWrongBlob(error, layer.descriptor.digest)
    if (isNoSpace(error)) parts.giveUp()
    // It may have been a part that could not be written, a moment before this.
    const hasRoom = isNoSpace(error) && parts.freed > freed
    if (!isWrong && !hasRoom) throw error
    const why = isWrong ? 'what an earlier run received of it was wrong' : 'parts of blobs gave way to objects'
    run.emit({ type: 'warning', text: `fetching layer ${layer.id} from its beginning: ${why}` })
    await part.restart()
    return fetchOnce(run, layer, part, signal)
  }
}

async function fetchOnce(run: StoreLayers, layer: ImageLayer, part: Part, signal: AbortSignal): Promise<ObjectId> {
  try {
    const stream = await run.fetch(layer, run.keepParts ? part : undefined, signal)
    part.drop()
    return stream
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

  constructor({ emit }: StoreLayers, { id }: ImageLayer, patience: Patience) {
    if (patience !== 'wait') return
    const text = `waiting for layer ${id}, which another pull is fetching`
    this.#timer = setTimeout(() => emit({ type: 'warning', text }), WAIT_NOTICE_MS)
  }

  end(): void {
    clearTimeout(this.#timer)
  }
}
