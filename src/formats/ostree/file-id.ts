/** The id of a file object: SHA-256 of its sized regular header and its content (ostree.md §1.4). */
import { createHash } from 'node:crypto'
import { writeSizedRegularHeader, type FileHeader } from './file-header.js'
import type { OstreeId } from './ostree-id.js'

/** Hashes content as it comes; symlinks have none. */
export class FileIdHasher {
  readonly #hash = createHash('sha256')

  constructor(header: FileHeader) {
    this.#hash.update(writeSizedRegularHeader(header))
  }

  update(content: Uint8Array): void {
    this.#hash.update(content)
  }

  /** Once, at the end. */
  digest(): OstreeId {
    return this.#hash.digest('hex') as OstreeId
  }
}

export function fileId(header: FileHeader, content: Uint8Array): OstreeId {
  const hasher = new FileIdHasher(header)
  hasher.update(content)
  return hasher.digest()
}
