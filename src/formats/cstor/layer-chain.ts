/** Which stored layers are the layers of an image (containers-storage.md §3.3). */
import type { Digest } from '../digest.js'
import { quote } from '../quote.js'
import type { LayerRecord } from './records.js'
import { storageError } from './storage-error.js'

/** A layer as it is found in one of several stores. */
export interface ChainLayer {
  /** Index of the store. */
  readonly store: number
  readonly record: LayerRecord
  /** Layers below it, nearest first. */
  readonly parents: readonly ParentLayer[]
  /**
   * Whether it is taken for this layer without the storage having checked its diff_id, or knowing how long its tar is: then
   * nothing else tells that lines of the tar-split are missing.
   */
  readonly unchecked: boolean
}

export interface ParentLayer {
  readonly store: number
  readonly id: string
}

interface Located {
  readonly store: number
  readonly record: LayerRecord
}

/** The Go library stacks no more. */
const MAX_DEPTH = 500

/** Layers of all stores, the one of the image first. */
export class LayerIndex {
  readonly #byId = new Map<string, Located>()
  readonly #byDiffId = new Map<string, Located>()
  /** Ids and diff_ids. */
  readonly #incomplete = new Set<string>()

  constructor(stores: readonly (readonly LayerRecord[])[], first: number) {
    const order = [first, ...stores.keys()]
    for (const store of new Set(order)) {
      for (const record of stores[store]) this.#add({ store, record })
    }
  }

  #add(layer: Located): void {
    const { id, diffDigest, incomplete } = layer.record
    if (incomplete) {
      this.#incomplete.add(id)
      if (diffDigest !== undefined) this.#incomplete.add(diffDigest)
      return
    }
    if (!this.#byId.has(id)) this.#byId.set(id, layer)
    if (diffDigest !== undefined && !this.#byDiffId.has(diffDigest)) this.#byDiffId.set(diffDigest, layer)
  }

  /**
   * The layers of an image, base first.
   *
   * @param top id of its uppermost layer.
   * @throws SluiceError `LAYER_CHAIN_MISMATCH`, `LAYER_NOT_FOUND` or `LAYER_INCOMPLETE`
   */
  resolve(top: string | undefined, diffIds: readonly Digest[]): ChainLayer[] {
    const chain = this.#walk(top).reverse()
    const fits = chain.length === diffIds.length && chain.every(({ record }, i) => couldBe(record, diffIds[i]))
    const layers = fits
      ? chain
      : diffIds.map((diffId) => this.#byDiffId.get(diffId) ?? this.#refuse(diffId, top, chain, diffIds.length))
    return layers.map(({ store, record }, i) => ({
      store,
      record,
      parents: this.#parentsOf(record),
      unchecked: record.partial || record.diffDigest !== diffIds[i] || record.diffSize === undefined,
    }))
  }

  /** From the top down, as far as layers are known. */
  #walk(top: string | undefined): Located[] {
    const layers: Located[] = []
    const seen = new Set<string>()
    for (let id = top; id !== undefined;) {
      if (seen.has(id) || layers.length === MAX_DEPTH) {
        const what = seen.has(id) ? 'has itself as a parent' : `has more than ${MAX_DEPTH} parents`
        throw storageError('STORE_CORRUPT', `containers-storage: layer ${quote(top!)} ${what}`)
      }
      seen.add(id)
      const layer = this.#byId.get(id)
      if (layer === undefined) break
      layers.push(layer)
      id = layer.record.parent
    }
    return layers
  }

  #parentsOf({ parent }: LayerRecord): ParentLayer[] {
    return this.#walk(parent).map(({ store, record }) => ({ store, id: record.id }))
  }

  /** Says why there is no layer with this diff_id. */
  #refuse(diffId: Digest, top: string | undefined, chain: readonly Located[], wanted: number): never {
    const details = { layer: diffId }
    const next = chain.length === 0 ? top : chain[0].record.parent
    if (this.#incomplete.has(diffId) || (next !== undefined && this.#incomplete.has(next))) {
      throw storageError('LAYER_INCOMPLETE', `the storage has layer ${diffId} in part only`, {
        details,
        hint: 'wait until the pull that writes it has ended, or pull the image again',
      })
    }
    if (chain.length !== wanted) {
      throw storageError(
        'LAYER_CHAIN_MISMATCH',
        `the storage has ${chain.length} layers of the image, its config names ${wanted}; ${diffId} is in no store`,
        { details },
      )
    }
    throw storageError('LAYER_NOT_FOUND', `layer ${diffId} of the image is in no store`, { details })
  }
}

/** A layer that was pulled in parts may have no diff_id; then what it holds is checked. */
function couldBe({ diffDigest, expectedDiffId, partial }: LayerRecord, diffId: Digest): boolean {
  const stated = diffDigest ?? expectedDiffId
  return stated === undefined ? partial : stated === diffId
}
