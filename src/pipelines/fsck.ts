/**
 * `fsck`: whether a repository is what it should be (repository.md §6), and `oci fsck`, which goes on to the images in
 * it (oci.md §5.5).
 *
 * metadata → objects → streams → images → tagged images. Nothing is changed, and no problem ends it.
 */
import type { Observable } from 'rxjs'
import { lastValueFrom } from 'rxjs/internal/lastValueFrom'
import { SluiceError } from '../errors.js'
import { Breather } from '../flow/breather.js'
import { coldFrom } from '../flow/cold.js'
import type { Repository } from '../repository/repository.js'
import { imageCheck } from '../stages/check/check-image.js'
import { checkCategory } from '../stages/check/check-links.js'
import { checkMetadata } from '../stages/check/check-metadata.js'
import { checkObjects } from '../stages/check/check-objects.js'
import { checkOciImages } from '../stages/check/check-oci-images.js'
import { streamCheck } from '../stages/check/check-stream.js'
import { Findings } from '../stages/check/findings.js'

export interface FsckOptions {
  /** Leave the contents of objects alone. */
  readonly metadataOnly?: boolean
  readonly signal?: AbortSignal
}

export interface OciFsckOptions {
  /** The tag of the only image to check; default all. */
  readonly image?: string
  readonly signal?: AbortSignal
}

/** The JSON of `fsck`, its keys in the reference's order. */
export interface FsckResult {
  readonly ok: boolean
  /** Whether there is a meta.json that can be read. */
  readonly has_metadata: boolean
  /** Entries of the object directories, well named or not; 0 with `metadataOnly`. */
  readonly objects_checked: number
  readonly objects_corrupted: number
  readonly streams_checked: number
  readonly streams_corrupted: number
  readonly images_checked: number
  readonly images_corrupted: number
  /** Links that lead nowhere, refs among them. */
  readonly broken_links: number
  /** References from streams and images to objects that are not there. */
  readonly missing_objects: number
  /** One line for each problem, `fsck: KIND: PATH…`. */
  readonly errors: readonly string[]
}

/** The JSON of `oci fsck`. */
export interface OciFsckResult {
  readonly ok: boolean
  readonly images_checked: number
  /** Images with at least one problem. */
  readonly images_corrupted: number
  readonly errors: readonly string[]
  readonly repo: FsckResult
}

export type FsckPhase = 'objects' | 'streams' | 'images' | 'oci images'

/** Progress counts directories of objects, then entries of the other phases. */
export type FsckEvent<Result> =
  | { readonly type: 'progress'; readonly phase: FsckPhase; readonly done: number; readonly total: number }
  | { readonly type: 'completed'; readonly result: Result }

type Emit = (event: Extract<FsckEvent<never>, { type: 'progress' }>) => void

/** Checks a repository. Subscribing starts, unsubscribing stops; the last event is `completed`. */
export function fsck(repository: Repository, options: FsckOptions = {}): Observable<FsckEvent<FsckResult>> {
  return coldFrom<FsckEvent<FsckResult>>(async (emit, signal) => {
    const result = await checkParts(repository, options.metadataOnly === true, emit, signal)
    emit({ type: 'completed', result })
  }, options.signal)
}

/** Checks a repository and the images that are tagged in it. */
export function ociFsck(repository: Repository, options: OciFsckOptions = {}): Observable<FsckEvent<OciFsckResult>> {
  return coldFrom<FsckEvent<OciFsckResult>>(async (emit, signal) => {
    const repo = await checkParts(repository, false, emit, signal)
    const images = new Findings()
    const report = progressOf('oci images', emit)
    await checkOciImages(repository, options.image, images, new Breather(signal), report)
    const { checked, corrupted, errors } = images
    const ok = repo.ok && errors.length === 0
    const result = { ok, images_checked: checked, images_corrupted: corrupted, errors, repo }
    emit({ type: 'completed', result })
  }, options.signal)
}

/** The promise form of `fsck`. */
export async function checkRepository(repository: Repository, options?: FsckOptions): Promise<FsckResult> {
  return resultOf(fsck(repository, options))
}

/** The promise form of `ociFsck`. */
export async function checkOciRepository(repository: Repository, options?: OciFsckOptions): Promise<OciFsckResult> {
  return resultOf(ociFsck(repository, options))
}

async function resultOf<Result>(events: Observable<FsckEvent<Result>>): Promise<Result> {
  const last = await lastValueFrom(events)
  if (last.type !== 'completed') throw new SluiceError('SLUICE_FAILED', 'the check ended without a result')
  return last.result
}

function progressOf(phase: FsckPhase, emit: Emit): (done: number, total: number) => void {
  return (done, total) => emit({ type: 'progress', phase, done, total })
}

async function checkParts(
  repository: Repository,
  metadataOnly: boolean,
  emit: Emit,
  signal: AbortSignal,
): Promise<FsckResult> {
  const breather = new Breather(signal)
  const [metadata, objects, streams, images] = [new Findings(), new Findings(), new Findings(), new Findings()]

  const hasMetadata = checkMetadata(repository, metadata)
  if (!metadataOnly) await checkObjects(repository, objects, progressOf('objects', emit), breather)
  await checkCategory(
    repository,
    'streams',
    streamCheck(repository, breather),
    streams,
    breather,
    progressOf('streams', emit),
  )
  await checkCategory(
    repository,
    'images',
    imageCheck(repository, breather),
    images,
    breather,
    progressOf('images', emit),
  )

  const errors = [metadata, objects, streams, images].flatMap((part) => part.errors)
  return {
    ok: errors.length === 0,
    has_metadata: hasMetadata,
    objects_checked: objects.checked,
    objects_corrupted: objects.corrupted,
    streams_checked: streams.checked,
    streams_corrupted: streams.corrupted,
    images_checked: images.checked,
    images_corrupted: images.corrupted,
    broken_links: streams.brokenLinks + images.brokenLinks,
    missing_objects: streams.missingObjects + images.missingObjects,
    errors,
  }
}
