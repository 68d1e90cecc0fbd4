/** Runs the tar codec over whole archives and keeps what comes out. */
import assert from 'node:assert/strict'
import { verityDigest } from '../../src/formats/verity/digest.js'
import type { HashAlgorithm, ObjectId } from '../../src/formats/digest.js'
import { TarEntryReader, type TarEntry } from '../../src/formats/tar/entries.js'
import { TarSplitter, type EntrySink, type TarSink } from '../../src/formats/tar/split.js'
import { newEntryBudget } from '../../src/stages/tar/entry-budget.js'
import { EntryCollector } from '../../src/stages/tar/entry-collector.js'

/** A chunk of the splitstream; `object` is the content of an external one. */
export type TarPart = { readonly inline: Buffer } | { readonly object: Buffer }

/** Collects parts as the splitstream writer would see them, and refuses calls that break the sink's contract. */
export class PartCollector implements TarSink {
  readonly parts: TarPart[] = []
  #inline: Buffer[] = []
  #object: Buffer[] | undefined
  #objectLeft = 0

  constructor(readonly entries?: EntrySink) {}

  inline(bytes: Uint8Array): void {
    if (this.#object !== undefined) throw new Error('inline bytes inside an object')
    this.#inline.push(Buffer.from(bytes))
  }

  beginObject(size: number): void {
    if (this.#object !== undefined || size <= 64) throw new Error(`unexpected object of ${size} bytes`)
    this.flush()
    this.#object = []
    this.#objectLeft = size
  }

  objectData(bytes: Uint8Array): void {
    if (this.#object === undefined) throw new Error('object data outside an object')
    this.#object.push(Buffer.from(bytes))
    this.#objectLeft -= bytes.length
  }

  endObject(): void {
    if (this.#object === undefined || this.#objectLeft !== 0) throw new Error('object ended early or late')
    this.parts.push({ object: Buffer.concat(this.#object) })
    this.#object = undefined
  }

  /** Ends the inline chunk at hand. */
  flush(): void {
    const inline = Buffer.concat(this.#inline)
    if (inline.length > 0) this.parts.push({ inline })
    this.#inline = []
  }
}

/** Pieces of `bytes` with these sizes, used over and over. */
export function* cut(bytes: Buffer, sizes: readonly number[]): Generator<Buffer> {
  for (let at = 0, next = 0; at < bytes.length; next++) {
    const end = at + (sizes[next % sizes.length] ?? bytes.length)
    // A copy, so that a view kept too long shows.
    yield Buffer.from(bytes.subarray(at, end))
    at = end
  }
}

/** Splits a tar that arrives in pieces of these sizes; each piece is overwritten after its call. */
export function splitTar(tar: Buffer, sizes: readonly number[] = [tar.length], entries?: EntrySink): TarPart[] {
  const collector = new PartCollector(entries)
  const splitter = new TarSplitter(collector)
  for (const piece of cut(tar, sizes)) {
    splitter.push(piece)
    piece.fill(0xaa)
  }
  splitter.end()
  collector.flush()
  return collector.parts
}

export function joinParts(parts: readonly TarPart[]): Buffer {
  return Buffer.concat(parts.map((part) => ('inline' in part ? part.inline : part.object)))
}

/** Object ids are faked where a test does not look at them: hashing is most of the time. */
export type ObjectNamer = (content: Buffer) => ObjectId

export function verityNamer(algorithm: HashAlgorithm): ObjectNamer {
  return (content) => verityDigest(algorithm, content)
}

export interface EntriesRead {
  readonly entries: readonly TarEntry[]
  readonly error: unknown
}

/** Entries of a stored layer, inline chunks in pieces of these sizes; also those before an error. */
export function readEntries(
  parts: readonly TarPart[],
  name: ObjectNamer,
  sizes: readonly number[] = [1 << 20],
): EntriesRead {
  const entries: TarEntry[] = []
  const reader = new TarEntryReader((entry) => entries.push(entry))
  try {
    for (const part of parts) {
      if ('object' in part) reader.external(name(part.object), part.object.length)
      else {
        for (const piece of cut(part.inline, sizes)) {
          reader.inline(piece)
          piece.fill(0xaa)
        }
      }
    }
    reader.end()
    return { entries, error: undefined }
  } catch (error) {
    return { entries, error }
  }
}

/** That the entries which are collected while the tar is split are those read back, and none if that fails. */
export function checkCollected(tar: Buffer, name: ObjectNamer, read: EntriesRead, sizes?: readonly number[]): void {
  const collector = new EntryCollector(newEntryBudget())
  const parts = splitTar(tar, sizes, collector)
  for (const part of parts) if ('object' in part) collector.stored(name(part.object))
  assert.deepEqual(collector.entries(), read.error === undefined ? read.entries : undefined)
}
