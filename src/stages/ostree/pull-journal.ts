/**
 * What a pull over a network has come by, so that the next one goes on from there if it is killed: the objects of the
 * commit stream, as they come, in `.sluice/ostree/<commit>` of the repository. It goes with the end of the pull.
 *
 * Records are appended in batches, each with its length and a digest: what a crash leaves of the last one is passed over.
 */
import { createHash } from 'node:crypto'
import { closeSync, fstatSync, ftruncateSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { errnoOf, ioError } from '../../errors.js'
import { digestLength, objectIdFromBytes, objectIdToBytes, type ObjectId } from '../../formats/digest.js'
import { readSizedZlibHeader } from '../../formats/ostree/file-header.js'
import { fileId } from '../../formats/ostree/file-id.js'
import type { ObjectCollection } from '../../formats/ostree/object-collection.js'
import {
  hashMetadata,
  ID_LENGTH,
  ostreeIdFromBytes,
  ostreeIdToBytes,
  type OstreeId,
} from '../../formats/ostree/ostree-id.js'
import { namesIn } from '../../repository/names-in.js'
import { createPartFile, MAX_PART_AGE_MS } from '../../repository/parts/part-files.js'
import { removeEmptyDirectories, removeQuietly } from '../../repository/remove-quietly.js'
import type { Repository } from '../../repository/repository.js'
import { writeAll } from '../../repository/write-all.js'

const DIRECTORY = '.sluice/ostree'
/** Metadata objects are small: they are written together. */
const BATCH_BYTES = 64 * 1024
/** Length and digest before each batch. */
const BATCH_HEAD = 4 + 32
/** Kind, id, length of the data, before the object id and the data. */
const RECORD_HEAD = 1 + ID_LENGTH + 4

const kinds = ['metadata', 'inline', 'external'] as const
type Kind = (typeof kinds)[number]

export class PullJournal {
  readonly #repository: Repository
  readonly #path: string
  /** What follows the last good batch, if anything does, as the file was when it was read. */
  #damage: { readonly at: number; readonly size: number } | undefined
  #fd = -1
  #batch: Uint8Array[] = []
  #batchLength = 0

  constructor(repository: Repository, commit: OstreeId) {
    this.#repository = repository
    this.#path = join(repository.path, DIRECTORY, commit)
  }

  /** Adds to `objects` what an earlier pull came by, as far as it is still good. */
  load(objects: ObjectCollection): void {
    for (const batch of this.#readBatches()) {
      for (let at = 0; at < batch.length;) {
        const kind = kinds[batch[at]]
        const id = ostreeIdFromBytes(batch.subarray(at + 1, at + 1 + ID_LENGTH))
        const length = batch.readUInt32LE(at + 1 + ID_LENGTH)
        at += RECORD_HEAD
        const width = kind === 'external' ? digestLength[this.#repository.algorithm] : 0
        const external = width === 0 ? undefined : objectIdFromBytes(batch.subarray(at, at + width))
        const data = batch.subarray(at + width, at + width + length)
        at += width + length
        if (this.#isGood(kind, id, data, external)) objects.add(id, data, external)
      }
    }
  }

  addMetadata(id: OstreeId, data: Uint8Array): void {
    this.#append('metadata', id, data)
    if (this.#batchLength >= BATCH_BYTES) this.flush()
  }

  /** Files whose contents are stored. */
  addFiles(ids: readonly OstreeId[], data: readonly Uint8Array[], objects: readonly (ObjectId | undefined)[]): void {
    ids.forEach((id, i) => this.#append(objects[i] === undefined ? 'inline' : 'external', id, data[i], objects[i]))
    this.flush()
  }

  /** Writes what is not written yet. */
  flush(): void {
    if (this.#batch.length === 0) return
    const records = Buffer.concat(this.#batch)
    this.#batch = []
    this.#batchLength = 0
    const length = Buffer.alloc(4)
    length.writeUInt32LE(records.length)
    try {
      if (this.#fd < 0) this.#open()
      writeAll(this.#fd, Buffer.concat([length, createHash('sha256').update(records).digest(), records]))
    } catch (error) {
      throw ioError(error, `cannot write ${this.#path}`)
    }
  }

  /** The pull has ended; what it came by stays unless all of it is registered. */
  end(isRegistered: boolean): void {
    if (!isRegistered) this.flush()
    if (this.#fd >= 0) closeSync(this.#fd)
    this.#fd = -1
    if (isRegistered) removeJournals(this.#path)
  }

  #open(): void {
    this.#fd = createPartFile(this.#path)
    const { at, size } = this.#damage ?? {}
    // Behind damage nothing is found again. If the file has grown, another pull of the commit was writing its batch.
    if (at !== undefined && fstatSync(this.#fd).size === size) ftruncateSync(this.#fd, at)
  }

  #append(kind: Kind, id: OstreeId, data: Uint8Array, external?: ObjectId): void {
    const head = Buffer.alloc(RECORD_HEAD)
    head[0] = kinds.indexOf(kind)
    head.set(ostreeIdToBytes(id), 1)
    head.writeUInt32LE(data.length, 1 + ID_LENGTH)
    this.#batch.push(head, ...(external === undefined ? [] : [objectIdToBytes(external)]), data)
    this.#batchLength += RECORD_HEAD + data.length
  }

  *#readBatches(): Generator<Buffer> {
    const bytes = readIfThere(this.#path)
    let at = 0
    while (at + BATCH_HEAD <= bytes.length) {
      const batch = bytes.subarray(at + BATCH_HEAD, at + BATCH_HEAD + bytes.readUInt32LE(at))
      const digest = bytes.subarray(at + 4, at + BATCH_HEAD)
      // Two pulls of one commit append in turn; behind a batch that is cut nothing can be told.
      if (!createHash('sha256').update(batch).digest().equals(digest)) break
      yield batch
      at += BATCH_HEAD + batch.length
    }
    if (at < bytes.length) this.#damage = { at, size: bytes.length }
  }

  #isGood(kind: Kind, id: OstreeId, data: Buffer, external: ObjectId | undefined): boolean {
    if (kind === 'metadata') return hashMetadata(data) === id
    const { header, rest } = readSizedZlibHeader(data)
    // An object that gc removed meanwhile, or that a crash left in pieces, is fetched again.
    return external === undefined
      ? fileId(header, rest) === id
      : this.#repository.objects.isStored(external, header.size)
  }
}

function readIfThere(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return Buffer.alloc(0)
    throw ioError(error, `cannot read ${path}`)
  }
}

/** Removes the journal at `path`, and those that are too old; what cannot be removed stays. */
function removeJournals(path: string): void {
  const directory = dirname(path)
  const isOld = (file: string): boolean =>
    (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Infinity) < Date.now() - MAX_PART_AGE_MS
  const old = namesIn(directory)
    .map((name) => join(directory, name))
    .filter(isOld)
  for (const file of [path, ...old]) removeQuietly(file)
  removeEmptyDirectories([directory, dirname(directory)])
}
