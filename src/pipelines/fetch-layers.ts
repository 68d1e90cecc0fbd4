/** The layers of a pull that the repository lacks, beside each other: fetch → decompress → import. */
import { naming, SluiceError } from '../errors.js'
import { leaveOpen, readToEnd } from '../flow/iterate.js'
import type { StageMeter } from '../flow/meter.js'
import type { Digest, ObjectId } from '../formats/digest.js'
import type { ImageLayer } from '../formats/oci/image-layers.js'
import type { TarEntry } from '../formats/tar/entries.js'
import { defaults } from '../options.js'
import type { Part } from '../repository/parts/part.js'
import type { DecoderKind } from '../stages/decompress/decoder.js'
import { decompress } from '../stages/decompress/decompress.js'
import { fetchBlob } from '../stages/fetch/fetch-blob.js'
import type { BlobOptions } from '../stages/fetch/image-source.js'
import { addStats } from '../stages/object/object-batch.js'
import { blobSlabDigest } from '../stages/slab/slab-digest.js'
import { slabMemory } from '../stages/slab/slab-pool.js'
import { importBlobLayer, importLayer, type ImportedLayer } from '../stages/tar/import-layer.js'
import { openEngine, type OpenEngine } from '../workers/open-engine.js'
import { addMeters, pullMeters, type PullMeters } from './pull-events.js'
import type { PullRun } from './pull-run.js'
import { storeLayers } from './store-layers.js'

export interface FetchedLayers {
  /** Splitstreams by layer. */
  readonly streams: ReadonlyMap<Digest, ObjectId>
  /** What the layers hold that came in this run, as far as it was kept. */
  readonly entries: ReadonlyMap<Digest, readonly TarEntry[]>
  /** Layers that this run fetched, when all have their names; others may have come by another one meanwhile. */
  readonly fetched: Promise<number>
}

/**
 * Stores the layers, the largest first; gives them when all are there, while the last ones are still written out. The engine
 * is there for so long: an image needs memory, too.
 */
export async function fetchLayers(pull: PullRun, missing: readonly ImageLayer[]): Promise<FetchedLayers> {
  const { repository, source, options, stages } = pull
  const local = source.localLayer && missing.map(({ id }) => source.localLayer!(id))
  if (local !== undefined) await (await importStorage()).ensureReadable(local, pull.signal)
  const engine = openEngine(repository, {
    maxMemory: options.maxMemory ?? defaults.maxMemory,
    layers: Math.min(layersAtATime(pull), missing.length),
    work: sum(local?.map(({ size = Infinity }) => size) ?? missing.map(({ descriptor }) => descriptor.size)),
    ...(options.threads !== undefined && { threads: options.threads }),
    onTask: (stage, thread, startMs, endMs) => {
      // That of `decompress` is in what its output takes.
      if (stage !== 'decompress') stages[stage].busyMs += endMs - startMs
      options.onSpan?.({ track: thread, name: stage, startMs, endMs })
    },
  })
  const entries = new Map<Digest, readonly TarEntry[]>()
  try {
    const run = {
      ...pull,
      concurrency: engine.layers,
      keepParts: source.isRemote === true,
      fetch: (layer: ImageLayer, part: Part | undefined, signal: AbortSignal) =>
        fetchLayer({ ...pull, signal }, engine, entries, layer, part),
    }
    const largestFirst = missing.toSorted((a, b) => b.descriptor.size - a.descriptor.size)
    const { streams, fetched } = storeLayers(run, largestFirst)
    return { streams: await streams, entries, fetched }
  } finally {
    await engine.close()
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((sum, number) => sum + number, 0)

/** Loaded only for those who need it. */
const importStorage = () => import('./import-storage.js')

/** Of a local storage: each keeps all cores busy, two fill the gaps of each other (containers-storage.md §4). */
const STORED_LAYERS_AT_A_TIME = 2

function layersAtATime({ source, options }: PullRun): number {
  const wanted = options.concurrency ?? defaults.pullConcurrency
  return source.localLayer === undefined ? wanted : Math.min(wanted, STORED_LAYERS_AT_A_TIME)
}

/** One layer from its source into the repository. Gives its splitstream. */
async function fetchLayer(
  pull: PullRun,
  engine: OpenEngine,
  entries: Map<Digest, readonly TarEntry[]>,
  layer: ImageLayer,
  part: Part | undefined,
): Promise<ObjectId> {
  const { source, options, emit, stages, objects } = pull
  const { id } = layer
  const local = source.localLayer?.(id)
  const total = local === undefined ? layer.descriptor.size : (local.size ?? 0)
  const arrived = { total: 0, resumed: 0 }
  const onProgress = (bytes: number) => emit({ type: 'progress', id, fetched: (arrived.total += bytes), total })
  const onResumed = (bytes: number) => {
    arrived.resumed += bytes
    onProgress(bytes)
  }
  emit({ type: 'started', id, total })

  const meters = pullMeters(`layer ${id.slice(id.indexOf(':') + 1).slice(0, 12)}`, options.onSpan)
  let imported: ImportedLayer
  try {
    if (local === undefined)
      imported = await fetchBlobLayer(pull, engine, layer, part, meters, { onProgress, onResumed })
    else imported = await (await importStorage()).importStorageLayer(pull, engine, layer, local, meters, onProgress)
  } finally {
    addMeters(stages, meters)
  }
  if (imported.entries !== undefined) entries.set(id, imported.entries)
  const { newObjects, presentObjects } = imported.objects
  stages.digest.count((local === undefined ? total : 0) + imported.size)
  stages.object.count(imported.size - imported.inlineBytes, newObjects + presentObjects)
  addStats(objects, imported.objects)
  objects.inlineBytes += imported.inlineBytes
  emit({ type: 'done', id, transferred: arrived.total - arrived.resumed })
  return imported.stream
}

/** One layer that comes as a blob: fetch → decompress → import. */
async function fetchBlobLayer(
  { repository, source, entryBudget, signal }: PullRun,
  engine: OpenEngine,
  { id, diffId, descriptor, treatment }: ImageLayer,
  part: Part | undefined,
  meters: PullMeters,
  told: Pick<BlobOptions, 'onProgress'> & { readonly onResumed: (bytes: number) => void },
): Promise<ImportedLayer> {
  const createDigest = (algorithm: string) => blobSlabDigest(engine, algorithm, signal)
  const slabsFor = (meter: StageMeter) => slabMemory(engine.slabs, meter, signal)
  const fetching = { signal, ...told, createDigest, memory: slabsFor(meters.fetch) }
  const blob = meters.fetch.through(fetchBlob(source, descriptor, part, fetching))
  try {
    const bytes = leaveOpen(blob)
    if (treatment.type === 'blob') return await importBlobLayer(repository, id, bytes, signal)
    const open = (kind: DecoderKind) => engine.workers.decoder(kind, signal)
    const inflated = decompress(bytes, treatment.compression, { signal, memory: slabsFor(meters.decompress), open })
    const tar = meters.decompress.through(inflated, meters.fetch)
    return await importLayer(repository, engine, { id, diffId }, tar, { entries: entryBudget, meters, signal })
  } catch (error) {
    // Bytes that make no sense may just be the wrong ones: then their digest is the news, not what they look like.
    if (isAboutContent(error)) await readToEnd(blob)
    throw naming(error, descriptor.digest, `blob ${descriptor.digest}`)
  } finally {
    await blob.return(undefined)
  }
}

function isAboutContent(error: unknown): boolean {
  return error instanceof SluiceError && (error.code === 'SLUICE_COMPRESSION' || error.code === 'SLUICE_FORMAT')
}
