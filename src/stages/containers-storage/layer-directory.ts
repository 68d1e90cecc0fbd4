/** The directory with the files of a layer. */
import { closeSync } from 'node:fs'
import { fromByteString, type ByteString } from '../../formats/bytes.js'
import type { CallResult } from '../../native/libc.js'
import { openBeneath, openChild } from '../../native/open-beneath.js'

export class LayerDirectory {
  readonly #root: number
  /** The last directory below it that was opened: names in a tar come directory by directory. */
  #last: { readonly path: ByteString; readonly fd: number } | undefined

  /** @param root descriptor; closed by `close`. */
  constructor(root: number) {
    this.#root = root
  }

  /**
   * Opens `path` for reading, whatever is there. Directories on the way may be links, which are followed as if this one
   * were the root; the last part may not.
   */
  open(path: ByteString): CallResult {
    const slash = path.lastIndexOf('/')
    if (slash < 0) return openChild(this.#root, fromByteString(path))
    const parent = this.#parent(path.slice(0, slash))
    return parent.errno === undefined ? openChild(parent.value, fromByteString(path.slice(slash + 1))) : parent
  }

  close(): void {
    this.#forget()
    closeSync(this.#root)
  }

  #parent(path: ByteString): CallResult {
    if (this.#last?.path === path) return { value: this.#last.fd, errno: undefined }
    const result = openBeneath(this.#root, fromByteString(path), { directory: true, followLinks: true })
    if (result.errno === undefined) {
      this.#forget()
      this.#last = { path, fd: result.value }
    }
    return result
  }

  #forget(): void {
    if (this.#last !== undefined) closeSync(this.#last.fd)
    this.#last = undefined
  }
}
