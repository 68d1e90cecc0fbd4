/** The contents of files of a stored commit, of which a delta copies ranges. */
import { fstatSync } from 'node:fs'
import { formatError } from '../../errors.js'
import { readSizedZlibHeader } from '../../formats/ostree/file-header.js'
import type { OstreeId } from '../../formats/ostree/ostree-id.js'
import { closeQuietly } from '../../repository/close-quietly.js'
import type { ObjectStore } from '../../repository/objects.js'
import type { CommitObjects } from '../ostree/stored-commit.js'
import { readRange } from './read-range.js'

export interface BaseContent {
  /** Bytes. */
  readonly size: number
  /** A copy, or a view that is not to be changed. */
  read(offset: number, length: number): Buffer
}

interface OpenContent extends BaseContent {
  readonly id: OstreeId
  close(): void
}

export class BaseContents {
  readonly #commit: CommitObjects
  readonly #store: ObjectStore
  /** The one that was asked for last: a delta goes on with it. */
  #open: OpenContent | undefined

  constructor(commit: CommitObjects, store: ObjectStore) {
    this.#commit = commit
    this.#store = store
  }

  /** Good until the next call. @throws SluiceError `SLUICE_FORMAT` if the commit has no such file. */
  of(id: OstreeId): BaseContent {
    if (this.#open?.id === id) return this.#open
    this.close()
    this.#open = this.#openContent(id)
    return this.#open
  }

  close(): void {
    this.#open?.close()
    this.#open = undefined
  }

  #openContent(id: OstreeId): OpenContent {
    const found = this.#commit.get(id)
    if (found === undefined) throw formatError('delta', `the commit that it is based on has no file ${id}`)
    if (found.external === undefined) {
      const content = Buffer.from(readSizedZlibHeader(found.data).rest)
      return {
        id,
        size: content.length,
        read: (offset, length) => content.subarray(offset, offset + length),
        close: () => undefined,
      }
    }
    const fd = this.#store.open(found.external)
    return {
      id,
      size: fstatSync(fd).size,
      read: (offset, length) => readRange(fd, offset, length),
      close: () => closeQuietly(fd),
    }
  }
}
