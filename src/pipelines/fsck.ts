/**
 * `fsck`: whether a repository is what it should be (repository.md §6), and `oci fsck`, which goes on to the images in
 * it (oci.md §5.5).
 *
 * metadata → objects → streams → contents → images → refs → tagged images. Nothing is changed, and no problem ends it.
 */
import { setMaxListeners } from 'node:events'
import type { Observable } from 'rxjs'
import { Breather } from '../flow/breather.js'
import { resultOf } from '../flow/result-of.js'
import type { Repository } from '../repository/repository.js'
import { imageCheck } from '../stages/check/check-image.js'
import { checkContents, type WholeStream } from '../stages/check/check-content.js'
import { checkEntries, checkRefs } from '../stages/check/check-links.js'
import { checkMetadata } from '../stages/check/check-metadata.js'
import { checkOciImages } from '../stages/check/check-oci-images.js'
import { streamCheck } from '../stages/check/check-stream.js'
import { Findings } from '../stages/check/findings.js'
import type { DamagedObject } from '../stages/check/object-checker.js'
import { checkObjects } from '../workers/check-objects.js'
import { onRepository } from './on-repository.js'

export interface FsckOptions {
  /** Leave the contents of objects alone. */
  readonly metadataOnly?: boolean
  /** Also put every stream together that is named by a digest, and compare. */
  readonly deep?: boolean
  /** Threads that read objects beside the main one; default: so many that each core has one. */
  readonly threads?: number
  readonly signal?: AbortSignal
}

export interface OciFsckOptions {
  /** The tag of the only image to check; default all. */
  readonly image?: string
  /** As for the check of the repository. */
  readonly threads?: number
  readonly signal?: AbortSignal
}

type ExamineOptions = Pick<FsckOptions, 'metadataOnly' | 'deep'> & { readonly threads?: number | undefined }

/** What a check found, as the report has it, and what a repair needs to know beside. */
export interface Examination {
  readonly result: FsckResult
  readonly objects: readonly DamagedObject[]
  /** Streams, as error lines name them, whose content is not what their name says; looked for with `deep`. */
  readonly wrongStreams: readonly string[]
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

/** `contents` is the one that `deep` adds. */
export type FsckPhase = 'objects' | 'streams' | 'contents' | 'images' | 'refs' | 'oci images'

/** Progress counts directories of objects, and entries of the other phases, which may run at the same time. */
export type FsckEvent<Result> =
  | { readonly type: 'progress'; readonly phase: FsckPhase; readonly done: number; readonly total: number }
  | { readonly type: 'completed'; readonly result: Result }

export type EmitProgress = (event: Extract<FsckEvent<never>, { type: 'progress' }>) => void

/** Checks a repository. Subscribing starts, unsubscribing stops; the last event is `completed`. */
export function fsck(repository: Repository, options: FsckOptions = {}): Observable<FsckEvent<FsckResult>> {
  return onRepository<FsckEvent<FsckResult>>(repository, options.signal, async (emit, signal) => {
    const { result } = await examine(repository, options, emit, signal)
    emit({ type: 'completed', result })
  })
}

/** Checks a repository and the images that are tagged in it. */
export function ociFsck(repository: Repository, options: OciFsckOptions = {}): Observable<FsckEvent<OciFsckResult>> {
  return onRepository<FsckEvent<OciFsckResult>>(repository, options.signal, async (emit, signal) => {
    const { result: repo } = await examine(repository, { threads: options.threads }, emit, signal)
    const images = new Findings()
    const report = progressOf('oci images', emit)
    await checkOciImages(repository, options.image, images, new Breather(signal), report)
    const { checked, corrupted, errors } = images
    const ok = repo.ok && errors.length === 0
    const result = { ok, images_checked: checked, images_corrupted: corrupted, errors, repo }
    emit({ type: 'completed', result })
  })
}

/** The promise form of `fsck`. */
export async function checkRepository(repository: Repository, options?: FsckOptions): Promise<FsckResult> {
  return resultOf(fsck(repository, options), 'check')
}

/** The promise form of `ociFsck`. */
export async function checkOciRepository(repository: Repository, options?: OciFsckOptions): Promise<OciFsckResult> {
  return resultOf(ociFsck(repository, options), 'check')
}

function progressOf(phase: FsckPhase, emit: EmitProgress): (done: number, total: number) => void {
  return (done, total) => emit({ type: 'progress', phase, done, total })
}

/** The check itself, of all but the tagged images. Other threads read objects while this one also does the rest. */
export async function examine(
  repository: Repository,
  { metadataOnly = false, deep = false, threads }: ExamineOptions,
  emit: EmitProgress,
  signal: AbortSignal,
): Promise<Examination> {
  const metadata = new Findings()
  const hasMetadata = checkMetadata(repository, metadata)
  const [objects, links] = await bothOrNeither(
    signal,
    async (signal) => {
      if (metadataOnly) return { checked: 0, damaged: [] }
      return checkObjects(repository, { threads, onDirectory: progressOf('objects', emit), signal })
    },
    (signal) => checkLinks(repository, deep, emit, signal),
  )
  const { streams, images, wrongStreams } = links
  const objectFindings = new Findings()
  for (const { problem, parts } of objects.damaged) objectFindings.error(problem, ...parts)
  const errors = [metadata, objectFindings, streams, images].flatMap((part) => part.errors)
  const result = {
    ok: errors.length === 0,
    has_metadata: hasMetadata,
    objects_checked: objects.checked,
    objects_corrupted: objects.damaged.length,
    streams_checked: streams.checked,
    streams_corrupted: streams.corrupted,
    images_checked: images.checked,
    images_corrupted: images.corrupted,
    broken_links: streams.brokenLinks + images.brokenLinks,
    missing_objects: streams.missingObjects + images.missingObjects,
    errors,
  }
  return { result, objects: objects.damaged, wrongStreams }
}

/** What is in `streams/` and `images/`. */
async function checkLinks(
  repository: Repository,
  deep: boolean,
  emit: EmitProgress,
  signal: AbortSignal,
): Promise<{ streams: Findings; images: Findings; wrongStreams: readonly string[] }> {
  const breather = new Breather(signal)
  const [streams, images] = [new Findings(), new Findings()]
  const whole: WholeStream[] = []
  const checkStream = streamCheck(repository, breather, (stream) => whole.push(stream))
  await checkEntries(repository, 'streams', checkStream, streams, breather, progressOf('streams', emit))
  const contents = deep ? whole : []
  const wrongStreams = await checkContents(repository, contents, streams, breather, progressOf('contents', emit))
  await checkRefs(repository, 'streams', streams, breather, progressOf('refs', emit))
  const checkImage = imageCheck(repository, breather)
  await checkEntries(repository, 'images', checkImage, images, breather, progressOf('images', emit))
  await checkRefs(repository, 'images', images, breather, progressOf('refs', emit))
  return { streams, images, wrongStreams }
}

/** Runs both at the same time. When one fails the other is stopped, and both have ended before this does. */
async function bothOrNeither<First, Second>(
  outer: AbortSignal,
  first: (signal: AbortSignal) => Promise<First>,
  second: (signal: AbortSignal) => Promise<Second>,
): Promise<[First, Second]> {
  const stop = new AbortController()
  const signal = AbortSignal.any([outer, stop.signal])
  // Every thread listens to it, and there may be more than ten.
  setMaxListeners(0, signal)
  let failure: unknown
  const fail = (error: unknown): never => {
    failure ??= error
    stop.abort()
    throw error
  }
  const running = [first(signal).catch(fail), second(signal).catch(fail)] as const
  await Promise.allSettled(running)
  if (failure !== undefined) throw failure
  return Promise.all(running)
}
