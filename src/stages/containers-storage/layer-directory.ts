/** The directory with the files of a layer. */
import { closeSync } from 'node:fs'
import { fromByteString, type ByteString } from '../../formats/bytes.js'
import type { CallResult } from '../../native/libc.js'
import { openBeneath, openChild } from '../../native/open-beneath.js'

/** Directories that are kept open; deeper ones replace those above them. */
const MOST_OPEN = 16

interface OpenDirectory {
  readonly path: ByteString
  readonly fd: number
}

export class LayerDirectory {
  readonly #root: number
  /** Directories that were opened, each below the one before it: names in a tar come directory by directory. */
  readonly #open: OpenDirectory[] = []

  /** @param root descriptor; closed by `close`. */
  constructor(root: number) {
    this.#root = root
  }

  /**
   * Opens `path` for reading, whatever is there. Directories on the way may be links, which are followed as if this one
   * were the root; the last part may not.
   */
  open(path: ByteString): CallResult {
    const parent = this.#parentOf(path)
    return parent.errno === undefined ? openChild(parent.value, fromByteString(nameIn(path))) : parent
  }

  close(): void {
    this.#keep(0)
    closeSync(this.#root)
  }

  #parentOf(path: ByteString): CallResult {
    const slash = path.lastIndexOf('/')
    return slash < 0 ? { value: this.#root, errno: undefined } : this.#directory(path.slice(0, slash))
  }

  #directory(path: ByteString): CallResult {
    this.#keep(this.#open.findLastIndex((open) => path === open.path || path.startsWith(`${open.path}/`)) + 1)
    const last = this.#open.at(-1)
    if (last?.path === path) return { value: last.fd, errno: undefined }
    const result = this.#openBelow(last, path)
    if (result.errno !== undefined) return result
    if (this.#open.length === MOST_OPEN) closeSync(this.#open.shift()!.fd)
    this.#open.push({ path, fd: result.value })
    return result
  }

  /** By its parent, if that is open, which takes a third of the time. What may be a link is found from the root. */
  #openBelow(parent: OpenDirectory | undefined, path: ByteString): CallResult {
    const isChild = path.lastIndexOf('/') === (parent?.path.length ?? -1)
    const child = isChild
      ? openChild(parent?.fd ?? this.#root, fromByteString(nameIn(path)), { directory: true })
      : undefined
    if (child !== undefined && child.errno === undefined) return child
    return openBeneath(this.#root, fromByteString(path), { directory: true, followLinks: true })
  }

  /** Closes all but the first `count` of the open directories. */
  #keep(count: number): void {
    for (const { fd } of this.#open.splice(count)) closeSync(fd)
  }
}

const nameIn = (path: ByteString): ByteString => path.slice(path.lastIndexOf('/') + 1)
