/** Carries out the steps of one part of a delta (ostree.md §3.6). */
import { formatError, SluiceError } from '../../errors.js'
import { addBytes, patchSteps } from '../../formats/ostree/delta/bspatch.js'
import type { DeltaObjects } from '../../formats/ostree/delta/objects.js'
import type { DeltaPartPayload } from '../../formats/ostree/delta/part.js'
import { deltaSteps, type DeltaStep } from '../../formats/ostree/delta/steps.js'
import type { ArchiveFileHeader } from '../../formats/ostree/file-header.js'
import type { ObjectCollection } from '../../formats/ostree/object-collection.js'
import { hashMetadata, type OstreeId } from '../../formats/ostree/ostree-id.js'
import { Breather } from '../../flow/breather.js'
import type { ObjectStore } from '../../repository/objects.js'
import { addStats, type ObjectStats } from '../object/object-batch.js'
import { FileBatch, type FileContent, type StoredFiles } from '../ostree/file-batch.js'
import { writeFileHeaders } from '../ostree/file-headers.js'
import type { BaseContent, BaseContents } from './base-contents.js'

/** Where objects come from and go to. */
export interface PartTarget {
  /** Undefined for a delta from nothing. */
  readonly contents: BaseContents | undefined
  readonly store: ObjectStore
  /** Gets each object once it is found to be what its id says. */
  readonly objects: ObjectCollection
  readonly stats: ObjectStats
}

/** Bytes of a base that are read at a time. */
const READ_BYTES = 1024 * 1024

/** @throws SluiceError if the part cannot be carried out, or makes an object that is not what its id says. */
export async function applyPart(
  payload: DeltaPartPayload,
  records: DeltaObjects,
  target: PartTarget,
  signal: AbortSignal,
): Promise<void> {
  const run = new PartRun(target, new Breather(signal))
  let stored: StoredFiles
  try {
    for (const step of deltaSteps(payload, records)) await run.carryOut(step)
    stored = run.finish()
  } catch (error) {
    run.abort()
    throw error
  }
  for (const [i, id] of run.files.entries()) target.objects.add(id, stored.data[i], stored.objects[i])
  addStats(target.stats, stored.stats)
}

class PartRun {
  /** Those of the batch. */
  readonly files: OstreeId[] = []
  readonly #target: PartTarget
  readonly #breather: Breather
  readonly #batch: FileBatch
  #content: FileContent | undefined

  constructor(target: PartTarget, breather: Breather) {
    this.#target = target
    this.#breather = breather
    this.#batch = new FileBatch(target.store)
  }

  async carryOut(step: DeltaStep): Promise<void> {
    switch (step.kind) {
      case 'metadata':
        this.#addMetadata(step.id, step.data)
        break
      case 'file':
        this.#open(step.id, step.header).write(step.content)
        this.#close()
        break
      case 'open':
        this.#open(step.id, step.header)
        break
      case 'append':
        this.#content!.write(step.data)
        break
      case 'copy':
        await this.#copy(step.source, step.offset, step.length)
        break
      case 'patch':
        await this.#patch(step.source, step.patch, step.size)
        break
      case 'close':
        this.#close()
        break
    }
    await this.#breather.breathe()
  }

  finish(): StoredFiles {
    return this.#batch.finish()
  }

  abort(): void {
    this.#content?.abort()
    this.#batch.dispose()
  }

  #addMetadata(id: OstreeId, data: Buffer): void {
    const actual = hashMetadata(data)
    if (actual !== id) {
      throw new SluiceError('SLUICE_DIGEST_MISMATCH', `the delta makes ${actual} of ${id}`, {
        details: { expected: id, actual },
      })
    }
    this.#target.objects.add(id, data)
  }

  #open(id: OstreeId, header: ArchiveFileHeader): FileContent {
    this.files.push(id)
    this.#content = this.#batch.open(id, writeFileHeaders(header))
    return this.#content
  }

  #close(): void {
    this.#content!.end()
    this.#content = undefined
  }

  async #copy(source: OstreeId, offset: number, length: number): Promise<void> {
    const base = this.#baseOf(source)
    if (offset > base.size || length > base.size - offset) {
      throw formatError('delta', `${length} bytes at ${offset} of file ${source}, which has ${base.size}`)
    }
    for (let done = 0; done < length;) {
      const piece = base.read(offset + done, Math.min(READ_BYTES, length - done))
      this.#content!.write(piece)
      done += piece.length
      await this.#breather.breathe()
    }
  }

  async #patch(source: OstreeId, patch: Buffer, size: number): Promise<void> {
    const base = this.#baseOf(source)
    const room = Buffer.allocUnsafe(Math.min(READ_BYTES, size))
    for (const { oldOffset, diff, extra } of patchSteps(patch, base.size, size)) {
      for (let done = 0; done < diff.length;) {
        const added = diff.subarray(done, done + READ_BYTES)
        addBytes(base.read(oldOffset + done, added.length), added, room)
        this.#content!.write(room.subarray(0, added.length))
        done += added.length
        await this.#breather.breathe()
      }
      this.#content!.write(extra)
      await this.#breather.breathe()
    }
  }

  #baseOf(source: OstreeId): BaseContent {
    const { contents } = this.#target
    if (contents === undefined) throw formatError('delta', 'it is from nothing, but copies from a file')
    return contents.of(source)
  }
}
