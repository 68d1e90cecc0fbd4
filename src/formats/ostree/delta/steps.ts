/**
 * What a delta part does, step by step (ostree.md §3.6): its operations with every index and range looked up and checked,
 * so that whoever carries them out only moves bytes, and compares the id of each object in the end.
 */
import { formatError } from '../../../errors.js'
import { checkFileHeader, isSymlink, type ArchiveFileHeader } from '../file-header.js'
import type { Ownership } from '../dirmeta.js'
import { ID_LENGTH, ostreeIdFromBytes, type OstreeId } from '../ostree-id.js'
import type { DeltaObject, DeltaObjects, DeltaObjectType } from './objects.js'
import type { DeltaPartPayload } from './part.js'
import { OperationReader } from './varint.js'

export type DeltaStep =
  /** A whole metadata object. */
  | {
      readonly kind: 'metadata'
      readonly type: Exclude<DeltaObjectType, 'file'>
      readonly id: OstreeId
      readonly data: Buffer
    }
  /** A whole file or symlink. */
  | { readonly kind: 'file'; readonly id: OstreeId; readonly header: ArchiveFileHeader; readonly content: Buffer }
  /** A regular file begins; `append`, `copy` and `patch` give `header.size` bytes of content, then `close` ends it. */
  | { readonly kind: 'open'; readonly id: OstreeId; readonly header: ArchiveFileHeader }
  | { readonly kind: 'append'; readonly data: Buffer }
  /** Appends a range of the content of file `source`, whose size is to be checked. */
  | { readonly kind: 'copy'; readonly source: OstreeId; readonly offset: number; readonly length: number }
  /** Appends what the patch makes of the content of file `source`: `size` bytes (see bspatch.ts). */
  | { readonly kind: 'patch'; readonly source: OstreeId; readonly patch: Buffer; readonly size: number }
  | { readonly kind: 'close' }

const operation = {
  splice: 0x53,
  open: 0x6f,
  write: 0x77,
  setSource: 0x72,
  unsetSource: 0x52,
  close: 0x63,
  patch: 0x42,
}

const malformed = (message: string) => formatError('delta', message)

interface OpenFile {
  readonly size: number
  written: number
}

class StepReader {
  readonly #payload: DeltaPartPayload
  readonly #objects: DeltaObjects
  readonly #operations: OperationReader
  #next = 0
  #open: OpenFile | undefined
  #source: OstreeId | undefined

  constructor(payload: DeltaPartPayload, objects: DeltaObjects) {
    this.#payload = payload
    this.#objects = objects
    this.#operations = new OperationReader(payload.operations)
  }

  *steps(): Generator<DeltaStep> {
    while (!this.#operations.atEnd) {
      const step = this.#step()
      if (step !== undefined) yield step
    }
    if (this.#open !== undefined) throw malformed('the operations end before a file does')
    if (this.#next < this.#objects.length) {
      throw malformed(`the operations produce ${this.#next} of ${this.#objects.length} objects`)
    }
  }

  #step(): DeltaStep | undefined {
    const { position } = this.#operations
    const code = this.#operations.byte()
    switch (code) {
      case operation.splice:
        return this.#splice(this.#nextObject())
      case operation.open:
        return this.#openFile(this.#nextObject())
      case operation.write:
        return this.#write()
      case operation.patch:
        return this.#patch()
      case operation.setSource:
        this.#source = ostreeIdFromBytes(this.#data(this.#operations.varint(), ID_LENGTH))
        return undefined
      case operation.unsetSource:
        this.#source = undefined
        return undefined
      case operation.close:
        return this.#close()
      default:
        throw malformed(`unknown operation ${code} at ${position}`)
    }
  }

  #nextObject(): DeltaObject {
    if (this.#open !== undefined) throw malformed('an object begins inside a file')
    if (this.#next === this.#objects.length) throw malformed('the operations produce more objects than the part has')
    return this.#objects.at(this.#next++)
  }

  #splice({ type, id }: DeltaObject): DeltaStep {
    if (type !== 'file') return { kind: 'metadata', type, id, data: this.#splicedData() }
    const ownership = this.#ownership()
    const data = this.#splicedData()
    const header = isSymlink(ownership)
      ? { ...ownership, target: data.toString('utf8'), size: 0 }
      : { ...ownership, target: '', size: data.length }
    checkFileHeader(header)
    return { kind: 'file', id, header, content: data.subarray(0, header.size) }
  }

  #splicedData(): Buffer {
    const length = this.#operations.varint()
    return this.#data(this.#operations.varint(), length)
  }

  #openFile({ type, id }: DeltaObject): DeltaStep {
    if (type !== 'file') throw malformed(`a ${type} is opened as if it were a file`)
    const header = { ...this.#ownership(), target: '', size: this.#operations.varint() }
    // Symlinks come whole: this one would have no target.
    checkFileHeader(header)
    this.#open = { size: header.size, written: 0 }
    return { kind: 'open', id, header }
  }

  #write(): DeltaStep {
    const length = this.#operations.varint()
    const offset = this.#operations.varint()
    this.#count(length)
    return this.#source === undefined
      ? { kind: 'append', data: this.#data(offset, length) }
      : { kind: 'copy', source: this.#source, offset, length }
  }

  #patch(): DeltaStep {
    const offset = this.#operations.varint()
    const length = this.#operations.varint()
    const patch = this.#data(offset, length)
    if (this.#source === undefined) throw malformed('a patch has nothing to patch')
    if (this.#open?.written !== 0) throw malformed('a patch is applied to a part of a file')
    const { size } = this.#open
    this.#count(size)
    return { kind: 'patch', source: this.#source, patch, size }
  }

  #close(): DeltaStep {
    if (this.#open === undefined) throw malformed('a file ends that is not open')
    const { written, size } = this.#open
    if (written !== size) throw malformed(`a file of ${size} bytes gets ${written}`)
    this.#open = undefined
    this.#source = undefined
    return { kind: 'close' }
  }

  /** Counts what is appended to the open file. */
  #count(length: number): void {
    if (this.#open === undefined) throw malformed('bytes are written while no file is open')
    if (length > this.#open.size - this.#open.written) throw malformed('a file gets more bytes than its size')
    this.#open.written += length
  }

  #ownership(): Ownership {
    const mode = this.#payload.modes[this.#operations.varint()]
    const xattrs = this.#payload.xattrs[this.#operations.varint()]
    if (mode === undefined || xattrs === undefined) throw malformed('no such mode or set of xattrs in the part')
    return { ...mode, xattrs }
  }

  #data(offset: number, length: number): Buffer {
    const { data } = this.#payload
    if (offset > data.length || length > data.length - offset) {
      throw malformed(`bytes ${offset} to ${offset + length} of ${data.length}`)
    }
    return data.subarray(offset, offset + length)
  }
}

/**
 * @param objects the list of the part, from the superblock: all of them are produced, in this order.
 * @throws SluiceError `SLUICE_FORMAT`, while iterating.
 */
export function deltaSteps(payload: DeltaPartPayload, objects: DeltaObjects): Generator<DeltaStep> {
  return new StepReader(payload, objects).steps()
}
