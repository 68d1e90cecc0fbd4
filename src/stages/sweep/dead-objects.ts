/** The objects that a collection removes. */
import type { ByteString } from '../../formats/bytes.js'
import { digestLength, type HashAlgorithm } from '../../formats/digest.js'
import { objectFilePath } from '../walk/object-files.js'

export interface DeadObject {
  /** Relative to the repository. */
  readonly path: string
  /** Bytes. */
  readonly size: number
}

/**
 * Sorted by path. Names are kept as they lie on the disk, in one piece of memory a directory: 500,000 of SHA-512 take
 * 67 MB, as strings and objects 130.
 */
export class DeadObjects implements Iterable<DeadObject> {
  readonly #nameLength: number
  readonly #directories: { readonly directory: number; readonly names: Buffer; readonly sizes: Float64Array }[] = []
  #length = 0
  #bytes = 0

  constructor(algorithm: HashAlgorithm) {
    this.#nameLength = 2 * digestLength[algorithm] - 2
  }

  get length(): number {
    return this.#length
  }

  /** Sum of the sizes. */
  get bytes(): number {
    return this.#bytes
  }

  /** @param names of objects of the directory, all of one length; sorted here. */
  add(directory: number, names: readonly ByteString[], sizeOf: (name: ByteString) => number): void {
    if (names.length === 0) return
    const sorted = names.toSorted()
    const sizes = Float64Array.from(sorted, sizeOf)
    this.#directories.push({ directory, names: Buffer.from(sorted.join(''), 'latin1'), sizes })
    this.#length += sizes.length
    this.#bytes += sizes.reduce((sum, size) => sum + size, 0)
  }

  *[Symbol.iterator](): Iterator<DeadObject> {
    for (const { directory, names, sizes } of this.#directories) {
      for (let i = 0; i < sizes.length; i++) {
        const name = names.toString('latin1', i * this.#nameLength, (i + 1) * this.#nameLength)
        yield { path: objectFilePath(directory, name), size: sizes[i] }
      }
    }
  }
}
