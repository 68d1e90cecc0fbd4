/**
 * `pull-oci`: an image from a source into a repository (oci.md §1).
 *
 * resolve → layers (beside each other: fetch → decompress → import) → file tree → EROFS images → config, manifest → tag.
 * The tag is written last; everything before it is reused by the next run.
 */
import type { Observable } from 'rxjs'
import { lastValueFrom } from 'rxjs/internal/lastValueFrom'
import { naming, SluiceError, withContext } from '../errors.js'
import type { Digest, ObjectId } from '../formats/digest.js'
import { imageLayers, isContainerImage, type ImageLayer } from '../formats/oci/image-layers.js'
import type { Platform } from '../formats/oci/platform.js'
import { checkTag, encodeTag } from '../formats/oci/tag-name.js'
import type { TarEntry } from '../formats/tar/entries.js'
import { coldFrom } from '../flow/cold.js'
import { leaveOpen, readToEnd } from '../flow/iterate.js'
import type { OnSpan } from '../flow/meter.js'
import { defaults } from '../options.js'
import type { ErofsVersion } from '../repository/metadata.js'
import { streamName } from '../repository/names.js'
import type { Part } from '../repository/parts/part.js'
import type { Repository } from '../repository/repository.js'
import { findStoredDocument, findStoredLayer, hasImage } from '../repository/stored-image.js'
import type { DecoderKind } from '../stages/decompress/decoder.js'
import { decompress } from '../stages/decompress/decompress.js'
import { commitImages, imageRefName } from '../stages/erofs/commit-images.js'
import { buildImageTree, type StoredLayer } from '../stages/erofs/image-tree.js'
import { fetchBlob } from '../stages/fetch/fetch-blob.js'
import type { ImageSource, ResolvedManifest } from '../stages/fetch/image-source.js'
import { addStats, noObjects } from '../stages/object/object-batch.js'
import { slabHash } from '../stages/slab/slab-hash.js'
import { slabMemory } from '../stages/slab/slab-pool.js'
import { encodeImageDocuments, registerImage, type ImageDocuments } from '../stages/splitstream/image-documents.js'
import { importBlobLayer, importLayer, type ImportedLayer } from '../stages/tar/import-layer.js'
import { openEngine, type OpenEngine } from '../workers/open-engine.js'
import { addMeters, pullMeters, type PullEvent, type PullMeters, type PullResult } from './pull-events.js'
import { storeLayers } from './store-layers.js'

export interface PullOptions {
  /** Tag to set. */
  readonly tag: string
  /** Default: the host's. */
  readonly platform?: Platform
  /** Layers at a time, 1 or more, as far as there is memory; default `defaults.pullConcurrency`. */
  readonly concurrency?: number
  /** Bytes that the buffers of the run may take; default `defaults.maxMemory`. */
  readonly maxMemory?: number
  /** Threads beside the main one; default: one for each core, none on a single core. */
  readonly threads?: number
  /** Told what every stage did and when, for a trace. */
  readonly onSpan?: OnSpan
  /** Refuse what the reference tool refuses (oci.md §4.0). */
  readonly parity?: boolean
  readonly signal?: AbortSignal
}

/** How often it is told what the stages did. */
const STAGES_INTERVAL_MS = 1000

/** One pull: where from, where to, how, and what is counted on the way. */
interface PullRun {
  readonly repository: Repository
  readonly source: ImageSource
  readonly engine: OpenEngine
  readonly options: PullOptions
  readonly emit: (event: PullEvent) => void
  readonly signal: AbortSignal
  readonly stages: PullMeters
  /** What the layers hold that came in this run. */
  readonly entries: Map<Digest, readonly TarEntry[]>
  readonly objects: { newObjects: number; presentObjects: number; storedBytes: number; inlineBytes: number }
}

/**
 * Pulls the image that `openSource` gives access to. Subscribing starts the pull, unsubscribing cancels it; the last
 * event is `completed`. The source is closed in the end.
 */
export function pullOci(
  repository: Repository,
  openSource: () => Promise<ImageSource>,
  options: PullOptions,
): Observable<PullEvent> {
  return coldFrom<PullEvent>(async (emit, signal) => {
    checkTag(options.tag)
    ensureTakesImages(repository)
    const source = await openSource()
    const stages = pullMeters('image', options.onSpan)
    const engine = openEngine(repository, {
      maxMemory: options.maxMemory ?? defaults.maxMemory,
      layers: options.concurrency ?? defaults.pullConcurrency,
      ...(options.threads !== undefined && { threads: options.threads }),
      onTask: (stage, thread, startMs, endMs) => {
        // That of `decompress` is in what its output takes.
        if (stage !== 'decompress') stages[stage].busyMs += endMs - startMs
        options.onSpan?.({ track: thread, name: stage, startMs, endMs })
      },
    })
    const telling = setInterval(() => emit({ type: 'stages', stages }), STAGES_INTERVAL_MS)
    try {
      const objects = { ...noObjects(), inlineBytes: 0 }
      const result = await run({
        repository,
        source,
        engine,
        options,
        emit,
        signal,
        stages,
        entries: new Map(),
        objects,
      })
      emit({ type: 'stages', stages })
      emit({ type: 'completed', result })
    } catch (error) {
      throw withContext(naming(error, source.description), 'cannot pull')
    } finally {
      clearInterval(telling)
      await engine.close()
      await source.close()
    }
  }, options.signal)
}

/** The promise form of `pullOci`. */
export async function pullOciImage(...args: Parameters<typeof pullOci>): Promise<PullResult> {
  const last = await lastValueFrom(pullOci(...args))
  if (last.type !== 'completed') throw new SluiceError('SLUICE_FAILED', 'the pull ended without a result')
  return last.result
}

function ensureTakesImages(repository: Repository): void {
  repository.ensureWritable()
  if (repository.erofsFormats.default !== 0) return
  throw new SluiceError('SLUICE_UNSUPPORTED', 'a repository whose default EROFS format is V0 cannot take images', {
    hint: 'use --erofs-version 1, or a repository made with it',
  })
}

async function run(pull: PullRun): Promise<PullResult> {
  const { repository, source, options, signal } = pull
  const started = performance.now()
  const resolved = await source.manifest({ signal, ...(options.platform && { platform: options.platform }) })
  const isContainer = isContainerImage(resolved.manifest)
  const documents = await describe(pull, resolved)
  const { layers, fetched } = await ensureLayers(pull, imageLayers(resolved.manifest, documents.config.bytes))

  const withLayers: ImageDocuments = { ...documents, layers: layers.map(({ diffId, stream }) => [diffId, stream]) }
  const firstForm = await encodeImageDocuments(repository, withLayers)
  const images = isContainer ? await ensureImages(pull, withLayers, layers) : new Map<ErofsVersion, ObjectId>()

  const refs = [...images].map(([version, id]) => [imageRefName(version), id] as const)
  const complete = { ...withLayers, images: refs }
  pull.emit({ type: 'message', text: `Storing manifest ${resolved.digest}` })
  await registerImage(repository, complete, await encodeImageDocuments(repository, complete))
  repository.streams.linkRef(`oci/${encodeTag(options.tag)}`, streamName.manifest(resolved.digest))
  return {
    manifestDigest: resolved.digest,
    configDigest: resolved.manifest.config.digest,
    manifestVerity: documents.manifest.stored?.stream ?? firstForm.manifestStream,
    tag: options.tag,
    isContainer,
    images,
    objects: pull.objects,
    layers: { total: layers.length, fetched },
    stages: pull.stages,
    elapsedMs: performance.now() - started,
  }
}

/** The two documents; the config is not fetched if it is there. */
async function describe(
  { repository, source, emit, signal }: PullRun,
  { bytes, digest, manifest }: ResolvedManifest,
): Promise<ImageDocuments> {
  const stored = findStoredDocument(repository, 'config', manifest.config.digest)
  emit({
    type: 'message',
    text: `${stored ? 'Already have' : 'Fetching'} ${isContainerImage(manifest) ? 'container ' : ''}config ${manifest.config.digest}`,
  })
  const config = stored?.bytes ?? (await source.document(manifest.config, { signal }))
  return {
    config: { digest: manifest.config.digest, bytes: config, stored },
    manifest: { digest, bytes, stored: findStoredDocument(repository, 'manifest', digest) },
    layers: [],
    images: [],
  }
}

/** Fetches the missing layers, the largest first; gives all in config order. */
async function ensureLayers(
  pull: PullRun,
  wanted: readonly ImageLayer[],
): Promise<{ layers: StoredLayer[]; fetched: number }> {
  const streams = new Map<Digest, ObjectId>()
  const missing = new Map<Digest, ImageLayer>()
  for (const layer of wanted) {
    if (streams.has(layer.id) || missing.has(layer.id)) continue
    const stored = findStoredLayer(pull.repository, layer.id, layer.treatment.type === 'tar' ? 'layer' : 'blob')
    if (stored === undefined) {
      missing.set(layer.id, layer)
      continue
    }
    streams.set(layer.id, stored)
    pull.emit({ type: 'skipped', id: layer.id })
  }
  const largestFirst = [...missing.values()].sort((a, b) => b.descriptor.size - a.descriptor.size)
  const stored = await storeLayers(
    {
      ...pull,
      concurrency: pull.engine.layers,
      keepParts: pull.source.isRemote === true,
      fetch: (layer, part, signal) => fetchLayer({ ...pull, signal }, layer, part),
    },
    largestFirst,
  )
  const layers = wanted.map(({ id }) => ({
    diffId: id,
    stream: (streams.get(id) ?? stored.streams.get(id))!,
    entries: pull.entries.get(id),
  }))
  return { layers, fetched: stored.fetched }
}

/** One layer: fetch → decompress → import. Gives its splitstream. */
async function fetchLayer(
  pull: PullRun,
  { id, diffId, descriptor, treatment }: ImageLayer,
  part: Part | undefined,
): Promise<ObjectId> {
  const { repository, source, engine, options, emit, signal, stages, objects } = pull
  const total = descriptor.size
  let received = 0
  let resumed = 0
  const onProgress = (bytes: number) => emit({ type: 'progress', id, fetched: (received += bytes), total })
  const onResumed = (bytes: number) => {
    resumed += bytes
    onProgress(bytes)
  }
  emit({ type: 'started', id, total })

  const meters = pullMeters(`layer ${id.slice(id.indexOf(':') + 1).slice(0, 12)}`, options.onSpan)
  const createHash = (algorithm: string) => slabHash(engine, algorithm, signal)
  const blob = meters.fetch.through(fetchBlob(source, descriptor, part, { signal, onProgress, onResumed, createHash }))
  let imported: ImportedLayer
  try {
    const bytes = leaveOpen(blob)
    if (treatment.type === 'blob') imported = await importBlobLayer(repository, id, bytes, signal)
    else {
      const memory = slabMemory(engine.slabs, meters.decompress, signal)
      const open = (kind: DecoderKind) => engine.workers.decoder(kind, signal)
      const inflated = decompress(bytes, treatment.compression, { signal, memory, open })
      const tar = meters.decompress.through(inflated, meters.fetch)
      imported = await importLayer(repository, engine, { id, diffId }, tar, { entries: true, meters, signal })
    }
  } catch (error) {
    // Bytes that make no sense may just be the wrong ones: then their digest is the news, not what they look like.
    if (isAboutContent(error)) await readToEnd(blob)
    throw naming(error, descriptor.digest, `blob ${descriptor.digest}`)
  } finally {
    await blob.return(undefined)
    addMeters(stages, meters)
  }
  if (imported.entries !== undefined) pull.entries.set(id, imported.entries)
  const { newObjects, presentObjects } = imported.objects
  stages.digest.count(total + imported.size)
  stages.object.count(imported.size - imported.inlineBytes, newObjects + presentObjects)
  addStats(objects, imported.objects)
  objects.inlineBytes += imported.inlineBytes
  emit({ type: 'done', id, transferred: received - resumed })
  return imported.stream
}

function isAboutContent(error: unknown): boolean {
  return error instanceof SluiceError && (error.code === 'SLUICE_COMPRESSION' || error.code === 'SLUICE_FORMAT')
}

/** One EROFS image for each format of the repository; those that the stored config names already are kept. */
async function ensureImages(
  { repository, options, stages, signal }: PullRun,
  documents: ImageDocuments,
  layers: readonly StoredLayer[],
): Promise<ReadonlyMap<ErofsVersion, ObjectId>> {
  const { default: primary, extra } = repository.erofsFormats
  const versions = [primary, ...extra.filter((version) => version !== 0)]
  const present = new Map<ErofsVersion, ObjectId>()
  for (const version of versions) {
    const id = documents.config.stored?.namedRefs.get(imageRefName(version))
    if (id !== undefined && hasImage(repository, id)) present.set(version, id)
  }
  if (present.size === versions.length) return present

  const started = performance.now()
  try {
    const treeOptions = { xattrs: 'allowlist-only', parity: options.parity ?? false } as const
    const images = commitImages(repository, await buildImageTree(repository, layers, treeOptions, signal), versions)
    stages.erofs.count(0, images.size)
    stages.erofs.addWork(started, performance.now())
    return images
  } catch (error) {
    // As the reference does: what arrived is registered, only the tag is not set (oci.md §10).
    await registerImage(repository, documents, await encodeImageDocuments(repository, documents))
    throw error
  }
}
