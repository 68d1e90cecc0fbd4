/**
 * `pull-oci`: an image from a source into a repository (oci.md §1).
 *
 * resolve → layers (beside each other: fetch → decompress → import) → file tree → EROFS images → config, manifest → tag.
 * The tag is written last; everything before it is reused by the next run.
 */
import type { Observable } from 'rxjs'
import { naming, SluiceError, withContext } from '../errors.js'
import type { ObjectId } from '../formats/digest.js'
import { isContainerImage } from '../formats/oci/diff-ids.js'
import { imageLayers, type ImageLayer } from '../formats/oci/image-layers.js'
import { DELTA_ARTIFACT_TYPE } from '../formats/oci/media-types.js'
import { encodeRefName } from '../formats/ref-file-name.js'
import { checkTag } from '../formats/oci/tag-name.js'
import { resultOf } from '../flow/result-of.js'
import type { ErofsVersion } from '../formats/erofs/format.js'
import { imageRefName, streamName } from '../repository/names.js'
import type { Repository } from '../repository/repository.js'
import { findStoredDocument, findStoredLayers, hasImage } from '../repository/stored-image.js'
import type { StoredLayer } from '../stages/erofs/image-tree.js'
import type { ImageSource, ResolvedManifest } from '../stages/fetch/image-source.js'
import { noObjects } from '../stages/object/object-batch.js'
import { encodeImageDocuments, registerImage, type ImageDocuments } from '../stages/splitstream/image-documents.js'
import { newEntryBudget } from '../stages/tar/entry-budget.js'
import type * as FetchLayers from './fetch-layers.js'
import { onRepository } from './on-repository.js'
import { pullMeters, type PullEvent, type PullResult } from './pull-events.js'
import type { PullOptions, PullRun } from './pull-run.js'

/** How often it is told what the stages did. */
const STAGES_INTERVAL_MS = 1000

/**
 * Pulls the image that `openSource` gives access to. Subscribing starts the pull, unsubscribing cancels it; the last
 * event is `completed`. The source is closed in the end.
 */
export function pullOci(
  repository: Repository,
  openSource: () => Promise<ImageSource>,
  options: PullOptions,
): Observable<PullEvent> {
  return onRepository<PullEvent>(repository, options.signal, async (emit, signal) => {
    checkTag(options.tag)
    ensureTakesImages(repository)
    const source = await openSource()
    const stages = pullMeters('image', options.onSpan)
    for (const text of warningsOf(source, options)) emit({ type: 'warning', text })
    const telling = setInterval(() => emit({ type: 'stages', stages }), STAGES_INTERVAL_MS)
    try {
      const objects = { ...noObjects(), inlineBytes: 0 }
      const result = await run({
        repository,
        source,
        options,
        emit,
        signal,
        stages,
        objects,
        entryBudget: newEntryBudget(),
      })
      emit({ type: 'stages', stages })
      emit({ type: 'completed', result })
    } catch (error) {
      throw withContext(naming(error, source.description), 'cannot pull')
    } finally {
      clearInterval(telling)
      await source.close()
    }
  })
}

/** The promise form of `pullOci`. */
export async function pullOciImage(...args: Parameters<typeof pullOci>): Promise<PullResult> {
  return resultOf(pullOci(...args), 'pull')
}

function warningsOf({ warnings = [], localLayer }: ImageSource, { storage }: PullOptions): readonly string[] {
  const isTrusted = localLayer !== undefined && storage?.trust === true
  return isTrusted ? [...warnings, 'the storage is trusted: the diff_ids of its layers are not checked'] : warnings
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
  refuseDelta(resolved)
  const isContainer = isContainerImage(resolved.manifest)
  const documents = await describe(pull, resolved)
  const { layers, fetched } = await ensureLayers(pull, imageLayers(resolved.manifest, documents.config.bytes))

  const withLayers: ImageDocuments = { ...documents, layers: layers.map(({ diffId, stream }) => [diffId, stream]) }
  const images = isContainer ? await ensureImages(pull, withLayers, layers, fetched) : new Map<ErofsVersion, ObjectId>()
  const layersFetched = await fetched
  const known = documents.manifest.stored?.stream
  const firstForm = known ?? (await encodeImageDocuments(repository, withLayers)).manifestStream

  const refs = [...images].map(([version, id]) => [imageRefName(version), id] as const)
  const complete = { ...withLayers, images: refs }
  pull.emit({ type: 'message', text: `Storing manifest ${resolved.digest}` })
  await registerImage(repository, complete, await encodeImageDocuments(repository, complete))
  repository.streams.linkRef(`oci/${encodeRefName(options.tag)}`, streamName.manifest(resolved.digest))
  return {
    manifestDigest: resolved.digest,
    configDigest: resolved.manifest.config.digest,
    manifestVerity: firstForm,
    tag: options.tag,
    isContainer,
    images,
    objects: pull.objects,
    layers: { total: layers.length, fetched: layersFetched },
    stages: pull.stages,
    elapsedMs: performance.now() - started,
  }
}

/** A delta stands for the image that it makes of another one (oci.md §7); stored as it is, its tag would name no image. */
function refuseDelta({ digest, manifest }: ResolvedManifest): void {
  if (manifest.artifactType !== DELTA_ARTIFACT_TYPE) return
  throw new SluiceError('SLUICE_UNSUPPORTED', `manifest ${digest} is a delta between images`, {
    hint: 'pull the image itself: deltas cannot be applied yet',
  })
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

interface Layers {
  /** In config order. */
  readonly layers: readonly StoredLayer[]
  /** How many were fetched, when all are on disk and have their names. To be awaited, whatever else fails. */
  readonly fetched: Promise<number>
}

/** Fetches the missing layers; gives all when they are there. */
async function ensureLayers(pull: PullRun, wanted: readonly ImageLayer[]): Promise<Layers> {
  const distinct = new Map(wanted.map((layer) => [layer.id, layer]))
  const types = [...distinct].map(([id, { treatment }]) => [id, treatment.type === 'tar' ? 'layer' : 'blob'] as const)
  const stored = findStoredLayers(pull.repository, new Map(types))
  for (const id of stored.keys()) {
    pull.repository.parts.forget(distinct.get(id)!.descriptor.digest)
    pull.emit({ type: 'skipped', id })
  }
  const missing = [...distinct.values()].filter(({ id }) => !stored.has(id))
  const arrived = missing.length === 0 ? undefined : await importFetchLayers().then((fetch) => fetch(pull, missing))
  const layers = wanted.map(({ id }) => ({
    diffId: id,
    stream: (stored.get(id) ?? arrived?.streams.get(id))!,
    entries: arrived?.entries.get(id),
  }))
  return { layers, fetched: arrived?.fetched ?? Promise.resolve(0) }
}

/** Most pulls find that nothing has changed; what it takes to fetch and store is loaded for the others. */
async function importFetchLayers(): Promise<(typeof FetchLayers)['fetchLayers']> {
  return (await import('./fetch-layers.js')).fetchLayers
}

/**
 * One EROFS image for each format of the repository; those that the stored config names already are kept. They are made while
 * the layers are written out, and stored when that is done.
 */
async function ensureImages(
  { repository, options, stages, signal }: PullRun,
  documents: ImageDocuments,
  layers: readonly StoredLayer[],
  layersStored: Promise<unknown>,
): Promise<ReadonlyMap<ErofsVersion, ObjectId>> {
  try {
    const { default: primary, extra } = repository.erofsFormats
    const versions = [primary, ...extra.filter((version) => version !== 0)]
    const present = new Map<ErofsVersion, ObjectId>()
    for (const version of versions) {
      const id = documents.config.stored?.namedRefs.get(imageRefName(version))
      if (id !== undefined && hasImage(repository, id)) present.set(version, id)
    }
    if (present.size === versions.length) return present

    const [{ buildImageTree }, { commitImages, encodeImages }] = await Promise.all([
      import('../stages/erofs/image-tree.js'),
      import('../stages/erofs/commit-images.js'),
    ])
    const treeOptions = { xattrs: 'allowlist-only', parity: options.parity ?? false } as const
    const started = performance.now()
    const encoded = encodeImages(await buildImageTree(repository, layers, treeOptions, signal), versions)
    stages.erofs.addWork(started, performance.now())
    await layersStored
    const images = stages.erofs.work(() => commitImages(repository, encoded))
    stages.erofs.count(
      [...encoded.values()].reduce((sum, image) => sum + image.length, 0),
      images.size,
    )
    return images
  } catch (error) {
    await layersStored
    // As the reference does: what arrived is registered, only the tag is not set (oci.md §10).
    await registerImage(repository, documents, await encodeImageDocuments(repository, documents))
    throw error
  }
}
