/**
 * One layer from its tar bytes into the repository: diff_id, header walk, objects, splitstream, in one pass. It gets no name
 * here: first all of it has to be on disk (repository.md §2.9).
 */
import { cancelled, SluiceError, withContext } from '../../errors.js'
import { digestHashName, type Digest, type HashAlgorithm, type ObjectId } from '../../formats/digest.js'
import { contentType } from '../../formats/splitstream/format.js'
import type { TarEntry } from '../../formats/tar/entries.js'
import type { Repository } from '../../repository/repository.js'
import { StageMeter } from '../../flow/meter.js'
import { InOrder } from '../../flow/in-order.js'
import type { ObjectStore } from '../../repository/objects.js'
import { LargeObject } from '../object/large-object.js'
import {
  addStats,
  count,
  hashesOfPieces,
  isEmpty,
  noObjects,
  nothingStored,
  type ObjectStats,
  type StoredBatch,
} from '../object/object-batch.js'
import { fillSlabs } from '../slab/fill-slabs.js'
import type { Slab } from '../slab/slab-pool.js'
import type { Engine, SlabDigest, SlabWorkers } from '../slab/slab-workers.js'
import { SplitstreamWriter } from '../splitstream/write.js'
import type { EntryBudget } from './entry-budget.js'
import { EntryCollector } from './entry-collector.js'
import { SlabCutter, type SlabPlan } from './slab-cutter.js'

export interface ImportedLayer {
  /** The layer's splitstream. */
  readonly stream: ObjectId
  /** Length of the tar in bytes. */
  readonly size: number
  readonly inlineBytes: number
  readonly objects: Readonly<ObjectStats>
  /** What is in the tar, if it was asked for and can be told. */
  readonly entries?: readonly TarEntry[] | undefined
}

/** The stages that importing a layer is made of, beside those of the workers. */
export type ImportMeters = Readonly<Record<'tar' | 'splitstream', StageMeter>>

export interface ImportOptions {
  /** The entries are wanted, as far as they keep to this. */
  readonly entries?: EntryBudget
  readonly meters?: ImportMeters
  /** False: take the tar for what it is said to be, without a digest. */
  readonly verify?: boolean
  readonly signal?: AbortSignal
}

export interface LayerName {
  /** What the layer is stored under: its diff_id, or for an artifact the digest of the blob. */
  readonly id: Digest
  /** The digest the tar must have; an artifact states none (oci.md §1.5). */
  readonly diffId: Digest | undefined
}

/**
 * Imports the tar `bytes` as a layer.
 *
 * This thread finds the entries and writes the splitstream; digest and objects are the workers' business, slab by slab. A
 * slab is used again when both are done with it and what it holds inline is written.
 *
 * @throws SluiceError `SLUICE_DIGEST_MISMATCH` if the tar has another digest: its objects stay.
 */
export function importLayer(
  repository: Repository,
  engine: Engine,
  name: LayerName,
  bytes: AsyncIterable<Uint8Array>,
  options: ImportOptions = {},
): Promise<ImportedLayer> {
  return importSlabs(repository, engine, name, fillSlabs(bytes, engine.slabs, options.signal), options)
}

/** As `importLayer`, of a tar that comes in slabs, with files in them that objects can be made of. */
export async function importSlabs(
  repository: Repository,
  { slabs, workers }: Engine,
  { id: layerId, diffId }: LayerName,
  filled: AsyncGenerator<Slab>,
  { entries, meters = importMeters(), verify = true, signal }: ImportOptions = {},
): Promise<ImportedLayer> {
  const collector = entries && new EntryCollector(entries)
  const cutter = new SlabCutter(repository.objects, collector)
  const digest = verify ? workers.digest(digestHashName(diffId ?? layerId)) : undefined
  const writer = new LayerWriter(repository.objects, cutter, meters.splitstream, collector)
  const inOrder = new InOrder()
  let size = 0
  try {
    for await (const slab of filled) {
      size += slab.length
      const done = workOn(slab, (slab) => meters.tar.work(() => cutter.cut(slab)), digest, workers)
      meters.tar.count(slab.length)
      inOrder.add(
        done,
        ({ plan, stored }) => writer.write(plan, stored, slab.hashes),
        () => slabs.give(slab),
      )
      inOrder.check()
      if (signal?.aborted === true) throw cancelled(signal)
    }
    await inOrder.end()
    // Behind a header that is wrong, where the archive ends means nothing.
    cutter.end()
    if (digest !== undefined) ensureDigest(layerId, diffId, await digest.digest())
    const stream = await writer.finish()
    return { stream, size, inlineBytes: writer.inlineBytes, objects: writer.stats, entries: collector?.entries() }
  } catch (error) {
    // Threads may still be writing to files that are to be removed.
    await inOrder.settled()
    digest?.abort()
    cutter.abort()
    writer.abort()
    throw withContext(error, `layer ${layerId}`)
  }
}

function ensureDigest(layerId: Digest, diffId: Digest | undefined, hex: string): void {
  const actual = `${layerId.slice(0, layerId.indexOf(':'))}:${hex}`
  if (diffId === undefined || actual === diffId) return
  throw new SluiceError('SLUICE_DIGEST_MISMATCH', `the layer's tar is ${actual}, not its diff_id`, {
    details: { expected: diffId, actual },
  })
}

const importMeters = (): ImportMeters => ({ tar: new StageMeter('tar'), splitstream: new StageMeter('splitstream') })

/** Has a slab cut, digested and its objects stored; settled only when nobody uses its memory any more. */
async function workOn(
  slab: Slab,
  cut: (slab: Slab) => SlabPlan,
  digest: SlabDigest | undefined,
  workers: SlabWorkers,
): Promise<{ plan: SlabPlan; stored: StoredBatch }> {
  const digested = digest?.update(slab) ?? Promise.resolve()
  let plan: SlabPlan
  try {
    plan = cut(slab)
  } catch (error) {
    await digested
    throw error
  }
  const storing = isEmpty(plan.batch) ? Promise.resolve(nothingStored()) : workers.store(slab, plan.batch)
  const [stored] = await allSettled(storing, digested)
  return { plan, stored }
}

/** As `Promise.all`, but never before both are settled. */
async function allSettled<First, Second>(first: Promise<First>, second: Promise<Second>): Promise<[First, Second]> {
  await Promise.allSettled([first, second])
  return [await first, await second]
}

/** Writes the splitstream of a layer from its planned and stored slabs. */
class LayerWriter {
  readonly stats = noObjects()
  readonly #algorithm: HashAlgorithm
  readonly #writer: SplitstreamWriter
  readonly #cutter: SlabCutter
  readonly #meter: StageMeter
  readonly #collector: EntryCollector | undefined

  constructor(store: ObjectStore, cutter: SlabCutter, meter: StageMeter, collector: EntryCollector | undefined) {
    this.#algorithm = store.algorithm
    this.#writer = new SplitstreamWriter(store, contentType.layer)
    this.#cutter = cutter
    this.#meter = meter
    this.#collector = collector
  }

  get inlineBytes(): number {
    return this.#writer.inlineBytes
  }

  /** @param hashes of the blocks of all pieces in the plan. */
  async write(plan: SlabPlan, stored: StoredBatch, hashes: Buffer): Promise<void> {
    this.#meter.work(() => this.#write(plan, stored, hashes))
    await this.#meter.blocked(this.#writer.settle())
  }

  #write({ batch, owners, parts }: SlabPlan, { ids, stats }: StoredBatch, hashes: Buffer): void {
    const leaves = hashesOfPieces(this.#algorithm, hashes, batch)
    owners.forEach((object, i) => object.addLeaves(leaves[i], batch.pieces[i].length))
    addStats(this.stats, stats)
    for (const part of parts) {
      if (part instanceof LargeObject) {
        const object = this.#cutter.commit(part)
        count(this.stats, object)
        this.#external(object.id, object.size)
      } else if ('index' in part) this.#external(ids[part.index], part.size)
      else if ('id' in part) {
        count(this.stats, part)
        this.#external(part.id, part.size)
      } else this.#writer.inline(part)
    }
  }

  #external(id: ObjectId, size: number): void {
    this.#writer.external(id, size)
    this.#collector?.stored(id)
  }

  async finish(): Promise<ObjectId> {
    const { id, size } = await this.#writer.finish()
    this.#meter.count(size)
    return id
  }

  abort(): void {
    this.#writer.abort()
  }
}

/** Imports the raw bytes of a blob that is no tar, the layer of an artifact: one object (oci.md §3.3). */
export async function importBlobLayer(
  repository: Repository,
  digest: Digest,
  bytes: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<ImportedLayer> {
  const object = repository.objects.begin()
  const writer = new SplitstreamWriter(repository.objects, contentType.blob)
  try {
    for await (const piece of bytes) {
      if (signal?.aborted === true) throw cancelled(signal)
      object.write(piece)
    }
    const stored = object.commit()
    writer.external(stored.id, stored.size)
    const stream = (await writer.finish()).id
    const objects = noObjects()
    count(objects, stored)
    return { stream, size: stored.size, inlineBytes: 0, objects }
  } catch (error) {
    object.abort()
    writer.abort()
    throw withContext(error, `layer ${digest}`)
  }
}
