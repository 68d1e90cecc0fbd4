/**
 * Files of a commit on their way into the repository: each is checked against its id, and its content becomes an object
 * unless it stays inline in the commit stream (ostree.md §3.4).
 *
 * Contents of up to 1 MiB are gathered and stored together, as blocks of several files are hashed at once; larger ones
 * go out as they come.
 */
import { createHash, hash } from 'node:crypto'
import { SluiceError } from '../../errors.js'
import type { ObjectId } from '../../formats/digest.js'
import { inlineLimit } from '../../formats/ostree/limits.js'
import { ID_LENGTH, type OstreeId } from '../../formats/ostree/ostree-id.js'
import { hashTogether, maxMessage } from '../../native/multi-hash.js'
import type { ObjectStore, ObjectWriter, SharedFile, StoredObject } from '../../repository/objects.js'
import { count, noObjects, type ObjectStats } from '../object/object-batch.js'
import type { FileHeaders } from './file-headers.js'

/** What became of files, in the order in which they were asked for. Plain data, which threads send each other. */
export interface StoredFiles {
  /** For each file what the commit stream holds of it: the sized zlib header, and the content if that is inline. */
  readonly data: readonly Uint8Array[]
  /** The object with the content of each file that is not inline. */
  readonly objects: readonly (ObjectId | undefined)[]
  readonly stats: ObjectStats
}

/** Where the content of one file goes. Ends in `end` or `abort`. */
export interface FileContent {
  write(bytes: Uint8Array): void
  /** Memory for all of the content; `write` does not copy it if it is given this. */
  readonly room?: Buffer
  /** @throws SluiceError if the content is not of the size that its header states, or not what the id is of. */
  end(): void
  abort(): void
}

const MAX_GATHERED = 1024 * 1024
/** Eight of the longest files fit; room for sixteen, as many as are hashed at once, took no less time. */
const ARENA_BYTES = 8 * MAX_GATHERED

/** Arenas of batches that have ended; a thread does a batch at a time, or a few while it waits for a decoder. */
const arenas: Buffer[] = []

interface Gathered {
  readonly index: number
  readonly id: OstreeId
  /** Of the header that the id covers, of the content and of its end, in the arena. */
  readonly start: number
  readonly content: number
  readonly end: number
  readonly file: OpenFile | undefined
}

/** The file that content is read from, kept open until the content is stored. */
export interface OpenFile extends SharedFile {
  close(): void
}

export class FileBatch {
  readonly #store: ObjectStore
  readonly #maxGathered: number
  #taken: Buffer | undefined
  #used = 0
  readonly #gathered: Gathered[] = []
  readonly #data: Uint8Array[] = []
  readonly #objects: (ObjectId | undefined)[] = []
  readonly #files: OpenFile[] = []
  readonly #stats = noObjects()

  /** @param maxGathered bytes of the longest content that waits for others. */
  constructor(store: ObjectStore, maxGathered = MAX_GATHERED) {
    this.#store = store
    this.#maxGathered = maxGathered
  }

  /** Taken when the first content is gathered: a large object needs none. */
  get #arena(): Buffer {
    return (this.#taken ??= arenas.pop() ?? Buffer.allocUnsafeSlow(ARENA_BYTES))
  }

  /**
   * Begins the next file; the last one has ended.
   *
   * @param id that the file must have.
   * @param file whose content it is, to be closed by the batch, if it holds that as it is.
   */
  open(id: OstreeId, { size, stored, hashed }: FileHeaders, file?: OpenFile): FileContent {
    if (file !== undefined) this.#files.push(file)
    const index = this.#data.length
    // What is left of the memory that it lies in is of no use to anybody.
    this.#data.push(Uint8Array.from(stored))
    this.#objects.push(undefined)
    const length = hashed.length + size
    if (size > this.#maxGathered || length > ARENA_BYTES) {
      return new LargeContent({ id, size, hashed, file }, this.#store, (object) => {
        count(this.#stats, object)
        this.#objects[index] = object.id
      })
    }
    if (this.#used + length > ARENA_BYTES) this.#flush()
    const start = this.#used
    const content = start + hashed.length
    this.#arena.set(hashed, start)
    return new SmallContent(this.#arena.subarray(content, content + size), id, () => {
      this.#used = start + length
      this.#gathered.push({ index, id, start, content, end: this.#used, file })
    })
  }

  /** Stores what was gathered, and gives all. Ends the batch. */
  finish(): StoredFiles {
    this.#flush()
    this.dispose()
    return { data: this.#data, objects: this.#objects, stats: this.#stats }
  }

  dispose(): void {
    this.#closeFiles()
    if (this.#taken !== undefined) arenas.push(this.#taken)
    this.#taken = undefined
  }

  #flush(): void {
    const external: Gathered[] = []
    this.#checkIds()
    for (const file of this.#gathered) {
      if (file.end - file.content > inlineLimit(this.#store.algorithm)) external.push(file)
      else if (file.end > file.content) this.#appendInline(file)
    }
    const stored = this.#store.storeAll(
      external.map(({ content, end }) => this.#arena.subarray(content, end)),
      external.map(({ file }) => file),
    )
    stored.forEach((object, i) => {
      count(this.#stats, object)
      this.#objects[external[i].index] = object.id
    })
    this.#gathered.length = 0
    this.#used = 0
    this.#closeFiles()
  }

  /**
   * Those that are short enough are hashed together: 1,800 MB per CPU second instead of 350 where the library is. The
   * longest come first, as each has a lane to itself.
   */
  #checkIds(): void {
    const limit = maxMessage('sha256')
    const bytes = ({ start, end }: Gathered): Buffer => this.#arena.subarray(start, end)
    const lengthOf = ({ start, end }: Gathered): number => end - start
    const [short, long]: [Gathered[], Gathered[]] = [[], []]
    for (const file of this.#gathered) (lengthOf(file) <= limit ? short : long).push(file)
    short.sort((a, b) => lengthOf(b) - lengthOf(a))
    const hashes = hashTogether('sha256', short.map(bytes))
    short.forEach(({ id }, i) => checkId(id, hashes.toString('hex', i * ID_LENGTH, (i + 1) * ID_LENGTH)))
    for (const file of long) checkId(file.id, hash('sha256', bytes(file), 'hex'))
  }

  #closeFiles(): void {
    for (const file of this.#files.splice(0)) file.close()
  }

  #appendInline({ index, content, end }: Gathered): void {
    this.#data[index] = Buffer.concat([this.#data[index], this.#arena.subarray(content, end)])
  }
}

function checkId(expected: OstreeId, actual: string): void {
  if (actual === expected) return
  throw new SluiceError('SLUICE_DIGEST_MISMATCH', `Unexpected file checksum ${actual}, expected ${expected}`, {
    details: { expected, actual },
  })
}

function wrongSize(id: OstreeId, size: number, what: string): SluiceError {
  return new SluiceError('SLUICE_SIZE_MISMATCH', `file ${id} has ${what} than the ${size} bytes that its header states`)
}

class SmallContent implements FileContent {
  readonly room: Buffer
  readonly #id: OstreeId
  readonly #done: () => void
  #used = 0

  constructor(room: Buffer, id: OstreeId, done: () => void) {
    this.room = room
    this.#id = id
    this.#done = done
  }

  write(bytes: Uint8Array): void {
    if (this.#used + bytes.length > this.room.length) throw wrongSize(this.#id, this.room.length, 'more')
    if (bytes !== this.room) this.room.set(bytes, this.#used)
    this.#used += bytes.length
  }

  end(): void {
    if (this.#used < this.room.length) throw wrongSize(this.#id, this.room.length, 'less')
    this.#done()
  }

  abort(): void {}
}

interface LargeFile {
  readonly id: OstreeId
  readonly size: number
  /** The header that the id covers. */
  readonly hashed: Uint8Array
  readonly file: OpenFile | undefined
}

class LargeContent implements FileContent {
  readonly #id: OstreeId
  readonly #size: number
  readonly #hash = createHash('sha256')
  readonly #writer: ObjectWriter
  readonly #done: (object: StoredObject) => void
  #written = 0

  constructor({ id, size, hashed, file }: LargeFile, store: ObjectStore, done: (object: StoredObject) => void) {
    this.#id = id
    this.#size = size
    this.#hash.update(hashed)
    this.#writer = store.begin()
    if (file !== undefined) this.#writer.share(file)
    this.#done = done
  }

  write(bytes: Uint8Array): void {
    this.#written += bytes.length
    if (this.#written > this.#size) throw wrongSize(this.#id, this.#size, 'more')
    this.#hash.update(bytes)
    this.#writer.write(bytes)
  }

  end(): void {
    if (this.#written < this.#size) throw wrongSize(this.#id, this.#size, 'less')
    checkId(this.#id, this.#hash.digest('hex'))
    this.#done(this.#writer.commit())
  }

  abort(): void {
    this.#writer.abort()
  }
}
