/** An open composefs repository: its metadata, its lock, and the stores inside (repository.md §2). */
import { accessSync, constants, fstatSync, openSync, readSync, realpathSync, statSync } from 'node:fs'
import { errnoOf, ioError, SluiceError } from '../errors.js'
import type { HashAlgorithm, ObjectId } from '../formats/digest.js'
import type { ByteString } from '../formats/bytes.js'
import { readSplitstream, type Splitstream } from '../formats/splitstream/read.js'
import { syncFileSystem } from '../native/durability.js'
import { lock, lockingAvailable, unlock, type LockMode, type OnWait } from '../native/lock.js'
import { closeQuietly } from './close-quietly.js'
import { LinkCategory } from './category.js'
import { hintToInit, loadMetadata, METADATA_FILE, requireAlgorithm, upgradeOldRepository } from './init.js'
import type { ErofsVersion } from '../formats/erofs/format.js'
import {
  checkErofsVersion,
  effectiveErofsFormats,
  unknownReadOnlyFlags,
  type ErofsFormats,
  type Metadata,
} from './metadata.js'
import { checkName } from './names.js'
import { ObjectStore } from './objects.js'
import { PartStore } from './parts/part-store.js'
import { isSecure, VerityPolicy } from './verity-policy.js'

export interface OpenOptions {
  /** Treat the repository as insecure even if its meta.json has fs-verity. */
  readonly insecure?: boolean
  /** Fail on an insecure repository. */
  readonly requireVerity?: boolean
  /** Write a meta.json into a repository of an old version; default true. */
  readonly upgrade?: boolean
  /** The algorithm the caller expects; another one is an error. */
  readonly algorithm?: HashAlgorithm
  /** EROFS version of new images instead of the repository's own. */
  readonly erofsVersion?: ErofsVersion
  readonly signal?: AbortSignal
  /**
   * Called before waiting for the lock: for the shared one because garbage is being collected, for the exclusive one because
   * others have the repository open.
   */
  readonly onWait?: OnWait
}

/** Why a directory cannot be written, by the errno of `access`. */
const unwritable: ReadonlyMap<string, string> = new Map([
  ['EROFS', 'its file system is mounted read-only'],
  ['EACCES', 'permission denied'],
  ['EPERM', 'permission denied'],
])

/** A splitstream with its open file; close it. */
export interface OpenStream extends Splitstream {
  readonly id: ObjectId
  /** Reads up to `buffer.length` bytes at `offset` of the file. */
  readAt(buffer: Uint8Array, offset: number): number
  close(): void
}

export class Repository implements Disposable {
  /** Absolute and without symbolic links: neither a change of directory nor of a link leads to another repository. */
  readonly path: string
  readonly metadata: Metadata
  readonly objects: ObjectStore
  readonly streams: LinkCategory
  readonly images: LinkCategory
  /** What arrived of blobs that are not stored yet. */
  readonly parts: PartStore
  readonly erofsFormats: ErofsFormats
  /** Whether every object must have fs-verity. */
  readonly secure: boolean
  /** The descriptor that holds the lock; -1 once given up. */
  #directory: number
  #isClosed = false
  /** Operations that have not ended. */
  #underWay = 0
  /** Of those, what has the exclusive lock, or waits for it. The handle's own gives way to it. */
  #exclusive = 0
  readonly #onWait: OnWait | undefined

  private constructor(path: string, directory: number, metadata: Metadata, options: OpenOptions, secure: boolean) {
    this.path = path
    this.#directory = directory
    this.#onWait = options.onWait
    this.metadata = metadata
    this.secure = secure
    this.erofsFormats =
      options.erofsVersion === undefined
        ? effectiveErofsFormats(metadata)
        : { default: options.erofsVersion, extra: [] }
    this.objects = new ObjectStore(
      `${path}/objects`,
      metadata.algorithm,
      new VerityPolicy(metadata.algorithm, secure ? 'required' : 'attempted'),
    )
    this.streams = new LinkCategory(path, 'streams', metadata.algorithm)
    this.images = new LinkCategory(path, 'images', metadata.algorithm)
    this.parts = new PartStore(path, metadata.algorithm)
  }

  /** Opens a repository and holds its shared lock until `close`. Waits while another process collects garbage. */
  static async open(given: string, options: OpenOptions = {}): Promise<Repository> {
    if (options.erofsVersion !== undefined) checkErofsVersion(options.erofsVersion)
    const directory = openDirectory(given)
    try {
      const path = realPath(given, directory)
      if (lockingAvailable()) await lock(directory, 'shared', options)
      ensureSame(path, directory)
      const metadata = loadMetadata(path) ?? upgradeOldRepository(path, options)
      requireAlgorithm(path, metadata.algorithm, options.algorithm)
      const secure = options.insecure !== true && isSecure(`${path}/${METADATA_FILE}`)
      if (options.requireVerity === true && !secure) {
        throw new SluiceError('SLUICE_REPOSITORY', `repository ${path} is insecure, but fs-verity is required`)
      }
      return new Repository(path, directory, metadata, options, secure)
    } catch (error) {
      closeQuietly(directory)
      throw error
    }
  }

  get algorithm(): HashAlgorithm {
    return this.metadata.algorithm
  }

  /** Gives the lock up as soon as nothing is under way; nothing new begins. May be called again. */
  close(): void {
    this.#isClosed = true
    if (this.#underWay > 0) return
    const directory = this.#directory
    this.#directory = -1
    if (directory >= 0) closeQuietly(directory)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /**
   * Refuses to go on if the repository cannot be written; called before any other work, so that a pull does not fetch first.
   *
   * @throws SluiceError `SLUICE_READ_ONLY`
   */
  ensureWritable(): void {
    this.#ensureOpen()
    const unknown = unknownReadOnlyFlags(this.metadata)
    if (unknown.length > 0) {
      throw new SluiceError(
        'SLUICE_READ_ONLY',
        `repository ${this.path} has features this version cannot write: ${unknown.join(', ')}`,
      )
    }
    try {
      accessSync(this.path, constants.W_OK)
    } catch (error) {
      const why = unwritable.get(errnoOf(error) ?? '')
      if (why === undefined) throw ioError(error, `cannot look at repository ${this.path}`)
      throw new SluiceError('SLUICE_READ_ONLY', `repository ${this.path} cannot be written: ${why}`, { cause: error })
    }
  }

  /** Makes everything written so far durable: the barrier before a stream becomes visible (§2.9). */
  async sync(): Promise<void> {
    await syncFileSystem(this.path, this.#directory)
  }

  /** Gives a stream its name, when all that was written so far is on disk. */
  async nameStream(name: string, id: ObjectId): Promise<void> {
    await this.sync()
    this.streams.link(name, id)
  }

  /** Runs `work` while nobody collects garbage, by this handle or another. */
  async during<T>(work: () => Promise<T> | T, signal?: AbortSignal): Promise<T> {
    return this.#counted(() => this.#locked('shared', work, signal))
  }

  /** Runs `work` under the exclusive lock: nobody else has the repository open, and nothing is under way by this handle. */
  async exclusively<T>(work: () => Promise<T> | T, signal?: AbortSignal): Promise<T> {
    if (!lockingAvailable()) {
      throw new SluiceError('SLUICE_NATIVE', 'the repository cannot be locked: native code is off or missing', {
        hint: 'unset SLUICE_NATIVE, or run this where ffi-rs has a binary for the platform',
      })
    }
    return this.#counted(async () => {
      if (this.#exclusive++ === 0) unlock(this.#directory)
      try {
        return await this.#locked('exclusive', work, signal)
      } finally {
        if (--this.#exclusive === 0) await this.#lockAgain()
      }
    })
  }

  /**
   * Opens the stream `name` (a content id, or `refs/…`).
   *
   * @throws SluiceError `SLUICE_NOT_FOUND`, `SLUICE_CORRUPT` or `SLUICE_FORMAT`, naming the stream.
   */
  openStream(name: string, expectedType?: ByteString): OpenStream {
    const id = this.streams.objectOf(name)
    if (id === undefined) throw new SluiceError('SLUICE_NOT_FOUND', `stream ${name} not found in ${this.path}`)
    return this.openStreamObject(id, `stream ${name}`, expectedType)
  }

  /** Opens a splitstream by its object. @param what names it in errors. */
  openStreamObject(id: ObjectId, what: string, expectedType?: ByteString): OpenStream {
    const fd = this.objects.open(id)
    const readAt = (buffer: Uint8Array, offset: number) => readSync(fd, buffer, 0, buffer.length, offset)
    try {
      const read = (offset: number, length: number) => {
        const buffer = Buffer.allocUnsafe(length)
        for (let at = 0; at < length;) {
          const count = readAt(buffer.subarray(at), offset + at)
          if (count === 0) throw new SluiceError('SLUICE_CORRUPT', 'the file shrank while it was read')
          at += count
        }
        return buffer
      }
      const stream = readSplitstream({ size: fstatSync(fd).size, read }, this.algorithm, expectedType)
      return { ...stream, id, readAt, close: () => closeQuietly(fd) }
    } catch (error) {
      closeQuietly(fd)
      if (error instanceof SluiceError) throw new SluiceError(error.code, `${what}: ${error.message}`, { cause: error })
      throw ioError(error, what)
    }
  }

  /**
   * Finds an image: `images/NAME`, else for a NAME without `/` `images/refs/NAME` (§2.6).
   *
   * @throws SluiceError `SLUICE_NOT_FOUND`
   */
  findImage(name: string): ObjectId {
    checkName(name, 'image name')
    const id = this.images.objectOf(name) ?? (name.includes('/') ? undefined : this.images.objectOf(`refs/${name}`))
    if (id !== undefined) return id
    throw new SluiceError('SLUICE_NOT_FOUND', `image not found: ${name}`, {
      hint: '"sluice images" lists names, "sluice oci compute-id TAG" tells the id for a tag',
    })
  }

  /** Runs `work` under a lock of its own. */
  async #locked<T>(mode: LockMode, work: () => Promise<T> | T, signal: AbortSignal | undefined): Promise<T> {
    const descriptor = openDirectory(this.path)
    try {
      if (lockingAvailable()) await lock(descriptor, mode, { signal, onWait: this.#onWait })
      ensureSame(this.path, this.#directory)
      return await work()
    } finally {
      closeQuietly(descriptor)
    }
  }

  async #lockAgain(): Promise<void> {
    await lock(this.#directory, 'shared')
    // Others may have come meanwhile, and would wait for it.
    if (this.#exclusive > 0) unlock(this.#directory)
  }

  /** The lock of the handle is kept until `work` has ended, closed or not. */
  async #counted<T>(work: () => Promise<T>): Promise<T> {
    this.#ensureOpen()
    this.#underWay++
    try {
      return await work()
    } finally {
      this.#underWay--
      if (this.#isClosed) this.close()
    }
  }

  #ensureOpen(): void {
    if (this.#isClosed) throw new SluiceError('SLUICE_USAGE', `repository ${this.path} was closed`)
  }
}

/** The path to work by. One that Node cannot spell, as it is not UTF-8, stays as it was given. */
function realPath(path: string, directory: number): string {
  try {
    const real = realpathSync(path)
    return isAt(real, directory) ? real : path
  } catch {
    return path
  }
}

/** The lock is on what is open, the work goes by the path. @throws SluiceError `SLUICE_REPOSITORY` */
function ensureSame(path: string, directory: number): void {
  if (isAt(path, directory)) return
  throw new SluiceError('SLUICE_REPOSITORY', `${path} is not the repository any more that was opened there`, {
    hint: 'it was moved or replaced meanwhile: try again',
  })
}

function isAt(path: string, directory: number): boolean {
  const there = statSync(path, { throwIfNoEntry: false })
  const { dev, ino } = fstatSync(directory)
  return there !== undefined && there.dev === dev && there.ino === ino
}

/** There is none, or none that is to be seen; anything else is trouble with the disk. */
const noDirectory: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP', 'ENAMETOOLONG'])

function openDirectory(path: string): number {
  try {
    if (!statSync(path).isDirectory()) throw new SluiceError('SLUICE_REPOSITORY', `${path} is not a directory`)
    return openSync(path, 'r')
  } catch (error) {
    if (!noDirectory.has(errnoOf(error) ?? '')) throw ioError(error, `cannot open repository ${path}`)
    throw new SluiceError('SLUICE_REPOSITORY', `cannot open repository ${path}: ${(error as Error).message}`, {
      cause: error,
      ...(errnoOf(error) === 'ENOENT' && { hint: hintToInit(path) }),
    })
  }
}
