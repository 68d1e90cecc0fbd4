/**
 * The object store: files named by their fs-verity digest (repository.md §2.4).
 *
 * An object is written under a temporary name and appears under its own only complete, by one rename. Two writers of the
 * same object replace equal content by equal content.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { errnoOf, ioError, SluiceError } from '../errors.js'
import { objectPath, type HashAlgorithm, type ObjectId } from '../formats/digest.js'
import { VerityHasher, verityDigest } from '../formats/verity/digest.js'
import { makeDirectories, randomSuffix } from './links.js'
import type { VerityPolicy } from './verity-policy.js'

export const TEMPORARY_PREFIX = '.tmp-object-'

export interface StoredObject {
  readonly id: ObjectId
  /** Bytes. */
  readonly size: number
  /** False if an object of this name was there already. */
  readonly isNew: boolean
}

export class ObjectStore {
  readonly algorithm: HashAlgorithm
  /** `objects/` of the repository. */
  readonly directory: string
  readonly #verity: VerityPolicy

  constructor(directory: string, algorithm: HashAlgorithm, verity: VerityPolicy) {
    this.directory = directory
    this.algorithm = algorithm
    this.#verity = verity
  }

  path(id: ObjectId): string {
    return join(this.directory, objectPath(id))
  }

  /** Whether the object is there; by its path alone, except in a secure repository. */
  has(id: ObjectId): boolean {
    if (!existsSync(this.path(id))) return false
    if (this.#verity.mode === 'required') closeSync(this.open(id))
    return true
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
      closeSync(fd)
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
      closeSync(fd)
    }
  }

  /** Stores `data`, unless its object is there. */
  store(data: Uint8Array): StoredObject {
    const id = verityDigest(this.algorithm, data)
    if (this.has(id)) return { id, size: data.length, isNew: false }
    const temporary = new TemporaryObject(this.directory)
    try {
      temporary.write(data)
      this.publish(temporary, id)
    } catch (error) {
      temporary.discard()
      throw ioError(error, `cannot store an object of ${data.length} bytes`)
    }
    return { id, size: data.length, isNew: true }
  }

  /** Starts an object whose content comes in pieces. */
  begin(): ObjectWriter {
    return new ObjectWriter(this)
  }

  /** Gives a finished temporary file its name. */
  publish(temporary: TemporaryObject, id: ObjectId): void {
    temporary.close()
    this.#verity.seal(temporary.path, id)
    const target = this.path(id)
    try {
      renameSync(temporary.path, target)
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error
      makeDirectories(join(this.directory, id.slice(0, 2)))
      renameSync(temporary.path, target)
    }
  }
}

/** An object being written; ends in `commit` or `abort`. */
export class ObjectWriter {
  readonly #store: ObjectStore
  readonly #hasher: VerityHasher
  readonly #temporary: TemporaryObject

  constructor(store: ObjectStore) {
    this.#store = store
    this.#hasher = new VerityHasher(store.algorithm)
    this.#temporary = new TemporaryObject(store.directory)
  }

  /** On failure the temporary file is gone. */
  write(data: Uint8Array): void {
    this.#hasher.update(data)
    try {
      this.#temporary.write(data)
    } catch (error) {
      this.abort()
      throw ioError(error, 'cannot write an object')
    }
  }

  commit(): StoredObject {
    const id = this.#hasher.digest()
    const { size } = this.#hasher
    try {
      if (this.#store.has(id)) {
        this.#temporary.discard()
        return { id, size, isNew: false }
      }
      this.#store.publish(this.#temporary, id)
      return { id, size, isNew: true }
    } catch (error) {
      this.abort()
      throw ioError(error, `cannot store object ${id}`)
    }
  }

  abort(): void {
    this.#temporary.discard()
  }
}

/** A file under a temporary name in `objects/`. */
class TemporaryObject {
  readonly path: string
  #fd: number

  constructor(directory: string) {
    this.path = join(directory, `${TEMPORARY_PREFIX}${randomSuffix()}`)
    try {
      this.#fd = openSync(this.path, 'wx', 0o644)
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw ioError(error, 'cannot create a file in the repository')
      makeDirectories(directory)
      this.#fd = openSync(this.path, 'wx', 0o644)
    }
  }

  write(data: Uint8Array): void {
    for (let at = 0; at < data.length;) at += writeSync(this.#fd, data, at, data.length - at)
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd)
    this.#fd = -1
  }

  discard(): void {
    this.close()
    try {
      unlinkSync(this.path)
    } catch (error) {
      // Gone already if it was published; anything else would hide the failure that led here.
      if (errnoOf(error) === undefined) throw error
    }
  }
}
