/**
 * The object store: files named by their fs-verity digest (repository.md §2.4).
 *
 * An object is written under a temporary name and appears under its own only complete, by one rename. Two writers of the
 * same object replace equal content by equal content.
 *
 * A new object of one write takes five system calls: access, openat, write, close, rename; one that is there takes two:
 * access and stat.
 */
import { constants, existsSync, fstatSync, openSync, readSync, renameSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { errnoOf, ioError, SluiceError } from '../errors.js'
import { objectPath, type HashAlgorithm, type ObjectId } from '../formats/digest.js'
import { hashBlocks, VerityHasher, verityDigests } from '../formats/verity/digest.js'
import { hashTogether } from '../native/multi-hash.js'
import { closeQuietly } from './close-quietly.js'
import { CrashLeftovers } from './crash-leftovers.js'
import { makeDirectories } from './links.js'
import { TemporaryFiles, TemporaryObject } from './temporary-object.js'
import type { VerityPolicy } from './verity-policy.js'

export interface StoredObject {
  readonly id: ObjectId
  /** Bytes. */
  readonly size: number
  /** False if an object of this name was there already. */
  readonly isNew: boolean
  /** How a new object came by its blocks, if they were not written. */
  readonly sharing?: Sharing
}

/** By clone (FICLONE), or as another name of the file. */
export type Sharing = 'reflinked' | 'hardlinked'

/** A file of the same content elsewhere, whose blocks an object may share. */
export interface SharedFile {
  /** Makes the file at `fd`, which is empty, share the blocks; false if the file systems cannot. */
  cloneTo(fd: number): boolean
}

/** A temporary file of this store that has the content already, closed; storing it ends it. */
export interface WrittenFile {
  readonly path: string
  readonly sharing: Sharing
  /** What was read in its place, if that is another file. */
  readonly source?: {
    /** For errors. */
    readonly path: string
    /** Asked when all is read: whether it has the same content since before that. */
    readonly isUnwritten: () => boolean
  }
}

/** Read at a time. */
const READ_BYTES = 1024 * 1024

const newObject = (id: ObjectId, size: number, sharing: Sharing | undefined): StoredObject =>
  sharing === undefined ? { id, size, isNew: true } : { id, size, isNew: true, sharing }

export class ObjectStore {
  readonly algorithm: HashAlgorithm
  /** `objects/` of the repository. */
  readonly directory: string
  readonly temporaries: TemporaryFiles
  readonly #verity: VerityPolicy
  readonly #leftovers: CrashLeftovers

  /** @param temporaries where objects are before they are complete. */
  constructor(
    directory: string,
    algorithm: HashAlgorithm,
    verity: VerityPolicy,
    temporaries = new TemporaryFiles(directory, false),
  ) {
    this.directory = directory
    this.temporaries = temporaries
    this.algorithm = algorithm
    this.#verity = verity
    this.#leftovers = new CrashLeftovers(join(dirname(directory), 'streams'))
  }

  /** Whether objects are trusted only as the kernel measures them. */
  get isSecure(): boolean {
    return this.#verity.mode === 'required'
  }

  path(id: ObjectId): string {
    return `${this.directory}/${objectPath(id)}`
  }

  /** Whether the object is there; by its path alone, except in a secure repository. */
  has(id: ObjectId): boolean {
    if (!existsSync(this.path(id))) return false
    if (this.isSecure) closeQuietly(this.open(id))
    return true
  }

  /**
   * Whether an object that is to be stored is there; what a crash may have left in its place counts as missing.
   *
   * @param size Bytes that it must have, if that is known.
   */
  isStored(id: ObjectId, size?: number): boolean {
    if (!this.has(id)) return false
    if (this.isSecure) return true
    const stats = statSync(this.path(id), { throwIfNoEntry: false })
    if (stats === undefined || this.#leftovers.mayHave(stats)) return false
    return size === undefined ? stats.size > 0 : stats.size === size
  }

  /**
   * Opens an object for reading; in a secure repository the kernel's measurement must be its name.
   *
   * @throws SluiceError `SLUICE_CORRUPT` if it is missing or not what its name says.
   */
  open(id: ObjectId): number {
    let fd: number
    try {
      // Whatever lies there must not be waited for, as a pipe would be.
      fd = openSync(this.path(id), constants.O_RDONLY | constants.O_NONBLOCK)
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw ioError(error, `cannot open object ${id}`)
      throw new SluiceError('SLUICE_CORRUPT', `object ${id} is missing`, { cause: error, details: { object: id } })
    }
    try {
      this.#verity.check(fd, id)
    } catch (error) {
      closeQuietly(fd)
      throw error
    }
    return fd
  }

  /** The whole content; for documents and images, not for files of an image. @param limit most bytes to accept. */
  read(id: ObjectId, limit: number): Buffer {
    const fd = this.open(id)
    try {
      const { size } = fstatSync(fd)
      if (size > limit) throw new SluiceError('SLUICE_CORRUPT', `object ${id} has ${size} bytes, more than ${limit}`)
      const data = Buffer.allocUnsafe(size)
      for (let at = 0; at < size;) {
        const count = readSync(fd, data, at, size - at, at)
        if (count === 0) throw new SluiceError('SLUICE_CORRUPT', `object ${id} is shorter than its size`)
        at += count
      }
      return data
    } catch (error) {
      throw ioError(error, `cannot read object ${id}`)
    } finally {
      closeQuietly(fd)
    }
  }

  /** Stores `data`, unless its object is there. */
  store(data: Uint8Array): StoredObject {
    return this.storeAll([data])[0]
  }

  /** Stores `data` even if its object is there: who has found that of no use makes it anew. */
  replace(data: Uint8Array): ObjectId {
    const writer = this.begin()
    writer.replaceStored()
    writer.write(data)
    return writer.commit().id
  }

  /**
   * Stores several, each unless its object is there; cheaper than one by one, for they are hashed together.
   *
   * @param files that hold the contents already, as far as there are some.
   */
  storeAll(
    contents: readonly Uint8Array[],
    files: readonly (SharedFile | WrittenFile | undefined)[] = [],
  ): StoredObject[] {
    const ids = verityDigests(this.algorithm, contents, hashTogether)
    return contents.map((data, i) => this.#storeAs(ids[i], data, files[i]))
  }

  #storeAs(id: ObjectId, data: Uint8Array, file: SharedFile | WrittenFile | undefined): StoredObject {
    const written = file !== undefined && 'path' in file ? new TemporaryObject(file) : undefined
    if (this.isStored(id, data.length)) {
      written?.discard()
      return { id, size: data.length, isNew: false }
    }
    const temporary = written ?? new TemporaryObject(this.temporaries.create(constants.O_WRONLY))
    let sharing: Sharing | undefined
    try {
      if (file !== undefined)
        sharing = 'path' in file ? file.sharing : file.cloneTo(temporary.fd) ? 'reflinked' : undefined
      if (sharing === undefined) temporary.write(data)
      this.publish(temporary, id, sharing)
    } catch (error) {
      temporary.discard()
      throw ioError(error, `cannot store an object of ${data.length} bytes`)
    }
    return newObject(id, data.length, sharing)
  }

  /** Hashes of the 4096-byte blocks of a piece of an object, for a `VerityTree`. */
  hashBlocks(data: Uint8Array): Buffer {
    return hashBlocks(this.algorithm, data, hashTogether)
  }

  /**
   * Starts an object whose content comes in pieces.
   *
   * @param written has the content already; what is left is to name it.
   */
  begin(written?: WrittenFile): ObjectWriter {
    return new ObjectWriter(this, written)
  }

  /** @throws SluiceError `SLUICE_DIGEST_MISMATCH` if a file has not the content of `id`, which is that of what was read. */
  ensureContent({ path, source }: WrittenFile, id: ObjectId): void {
    if (source === undefined || source.isUnwritten()) return
    const hasher = new VerityHasher(this.algorithm, hashTogether)
    const piece = Buffer.allocUnsafeSlow(READ_BYTES)
    const fd = openSync(path, 'r')
    try {
      for (let count = readSync(fd, piece); count > 0; count = readSync(fd, piece)) {
        hasher.update(piece.subarray(0, count))
      }
    } finally {
      closeQuietly(fd)
    }
    if (hasher.digest() === id) return
    throw new SluiceError('SLUICE_DIGEST_MISMATCH', `${source.path} was written to while it was read`, {
      hint: 'try again when nothing writes to it',
      details: { path: source.path },
    })
  }

  /** Gives a finished temporary file its name. */
  publish(temporary: TemporaryObject, id: ObjectId, sharing?: Sharing): void {
    temporary.close()
    this.#verity.seal(temporary.path, id)
    const target = this.path(id)
    try {
      renameSync(temporary.path, target)
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error
      makeDirectories(`${this.directory}/${id.slice(0, 2)}`, 0o755, 1)
      renameSync(temporary.path, target)
    }
    // rename(2) does nothing if somebody else has just made both names of one file.
    if (sharing === 'hardlinked') temporary.discard()
  }
}

/**
 * An object being written, in one of two ways: piece after piece by `write`, or by anyone at any place of `fd`. Ends in
 * `commit` or `abort`.
 */
export class ObjectWriter {
  readonly #store: ObjectStore
  readonly #temporary: TemporaryObject
  #hasher: VerityHasher | undefined
  readonly #written: WrittenFile | undefined
  #sharing: Sharing | undefined
  #replaces = false

  /** @param written has the content already. */
  constructor(store: ObjectStore, written?: WrittenFile) {
    this.#store = store
    this.#written = written
    this.#sharing = written?.sharing
    this.#temporary = new TemporaryObject(written ?? store.temporaries.create(constants.O_WRONLY))
  }

  /** Has the object share the blocks of `file`, if possible; `write` is called with the same content all the same. */
  share(file: SharedFile): void {
    this.#sharing = file.cloneTo(this.#temporary.fd) ? 'reflinked' : undefined
  }

  /** Has it stored even if an object of its name is there, which may be damaged. */
  replaceStored(): void {
    this.#replaces = true
  }

  /** For positioned writes from any thread, until `commit` or `abort` closes it. */
  get fd(): number {
    return this.#temporary.fd
  }

  /** Appends. On failure the temporary file is gone. */
  write(data: Uint8Array): void {
    this.#hasher ??= new VerityHasher(this.#store.algorithm, hashTogether)
    this.#hasher.update(data)
    if (this.#sharing !== undefined) return
    try {
      this.#temporary.write(data)
    } catch (error) {
      this.abort()
      throw ioError(error, 'cannot write an object')
    }
  }

  /** Stores what `write` was given. */
  commit(): StoredObject
  /** Stores what was written to `fd`: `size` bytes whose digest, trusted here, is `id`. */
  commit(id: ObjectId, size: number): StoredObject
  commit(givenId?: ObjectId, givenSize?: number): StoredObject {
    const hasher = this.#hasher ?? new VerityHasher(this.#store.algorithm, hashTogether)
    const size = givenSize ?? hasher.size
    const id = givenId ?? hasher.digest()
    try {
      if (!this.#replaces && this.#store.isStored(id, size)) {
        this.#temporary.discard()
        return { id, size, isNew: false }
      }
      if (this.#written !== undefined) this.#store.ensureContent(this.#written, id)
      this.#store.publish(this.#temporary, id, this.#sharing)
      return newObject(id, size, this.#sharing)
    } catch (error) {
      this.abort()
      throw ioError(error, `cannot store object ${id}`)
    }
  }

  abort(): void {
    this.#temporary.discard()
  }
}
