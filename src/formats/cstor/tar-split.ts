/**
 * tar-split: how a layer's tar is put together again from pieces of its own and the files that came out of it; JSON, one
 * object a line (containers-storage.md §2.1).
 */
import { isAscii } from 'node:buffer'
import type { ByteString } from '../bytes.js'
import { storageError } from './storage-error.js'

/** Bytes of the tar that belong to no file: headers, padding, the end. */
export interface TarSplitSegment {
  readonly type: 'segment'
  readonly bytes: Buffer
}

/** An entry of the tar, of any kind; its content comes here, if it has any. */
export interface TarSplitFile {
  readonly type: 'file'
  readonly name: ByteString
  readonly size: number
  /** Base64 of the CRC-64 of the content, if it has any. */
  readonly crc64: string | undefined
}

export type TarSplitEntry = TarSplitSegment | TarSplitFile

/** Real lines reach 1.4 MB: what follows the archive comes in segments of 1 MiB. */
const MAX_LINE_BYTES = 64 * 1024 * 1024

/** Lines of more bytes are looked at before they are parsed: a few KiB of gzip would make gigabytes of objects. */
const LONG_LINE = 1024 * 1024
/** Bytes `,`, `[` and `{` in a long line, which is one payload in base64. */
const MAX_VALUES = 65_536

const NEWLINE = 10
const SEGMENT = 2
const FILE = 1

/** Entries out of the inflated file, in chunks of any size. */
export class TarSplitReader {
  #line = 0
  #entries = 0
  #rest: Buffer[] = []
  #restLength = 0

  /** The entries of all lines that end in `chunk`, whose memory is not used after. */
  push(chunk: Buffer): TarSplitEntry[] {
    const entries: TarSplitEntry[] = []
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      this.#parse(this.#take(chunk.subarray(start, end)), entries)
      start = end + 1
    }
    if (start < chunk.length) this.#keep(Buffer.from(chunk.subarray(start)))
    return entries
  }

  /** The entry of a last line without a newline. */
  finish(): TarSplitEntry[] {
    const entries: TarSplitEntry[] = []
    this.#parse(this.#take(Buffer.alloc(0)), entries)
    return entries
  }

  #keep(bytes: Buffer): void {
    this.#restLength += bytes.length
    if (this.#restLength > MAX_LINE_BYTES) throw this.#error(`it has more than ${MAX_LINE_BYTES} bytes`, this.#line + 1)
    this.#rest.push(bytes)
  }

  /** The line that ends with `bytes`. */
  #take(bytes: Buffer): Buffer {
    if (this.#restLength === 0) return bytes
    this.#keep(bytes)
    const line = Buffer.concat(this.#rest, this.#restLength)
    this.#rest = []
    this.#restLength = 0
    return line
  }

  #parse(line: Buffer, entries: TarSplitEntry[]): void {
    this.#line++
    if (line.length === 0) return
    if (line.length > MAX_LINE_BYTES) throw this.#error(`it has more than ${MAX_LINE_BYTES} bytes`)
    if (line.length > LONG_LINE && hasManyValues(line)) throw this.#error('it is not an entry, but many values')
    const { type, name, name_raw: rawName, size, payload, position } = this.#object(line)
    if (type !== SEGMENT && type !== FILE) {
      throw this.#error(`unknown tar-split entry type ${JSON.stringify(type)?.slice(0, 40)}`)
    }
    // A gap is a line that was lost.
    if (position !== undefined && position !== this.#entries) throw this.#error(`position is not ${this.#entries}`)
    this.#entries++
    if (payload !== undefined && payload !== null && typeof payload !== 'string') {
      throw this.#error('payload is not a string')
    }
    if (type === SEGMENT) {
      entries.push({ type: 'segment', bytes: this.#base64(payload ?? '', 'payload') })
    } else {
      const length = this.#size(size)
      const crc64 = length === 0 ? undefined : this.#crc64(payload ?? '')
      entries.push({ type: 'file', name: this.#name(name, rawName), size: length, crc64 })
    }
  }

  #object(line: Buffer): Readonly<Record<string, unknown>> {
    let value: unknown
    try {
      // By far most lines are ASCII, which latin1 decodes in a third of the time.
      value = JSON.parse(line.toString(isAscii(line) ? 'latin1' : 'utf8'))
    } catch (cause) {
      throw this.#error('it is not JSON', this.#line, cause)
    }
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
    throw this.#error('it is not a JSON object')
  }

  #name(name: unknown, rawName: unknown): ByteString {
    const isRaw = rawName !== undefined && rawName !== null && rawName !== ''
    if (isRaw && typeof rawName !== 'string') throw this.#error('name_raw is not a string')
    if (isRaw) return this.#base64(rawName, 'name_raw').toString('latin1')
    // The Go library leaves out what is empty: a global header may have no name.
    const text = name ?? ''
    if (typeof text === 'string') return Buffer.from(text, 'utf8').toString('latin1')
    throw this.#error('name is not a string')
  }

  #size(size: unknown): number {
    if (size === undefined || size === null) return 0
    if (typeof size === 'number' && Number.isSafeInteger(size) && size >= 0) return size
    throw this.#error(`size is not a whole number that fits: ${JSON.stringify(size).slice(0, 40)}`)
  }

  /** Without it, content would go unchecked where the diff_id is not. */
  #crc64(payload: string): string {
    if (/^[A-Za-z0-9+/]{11}=$/.test(payload)) return payload
    throw this.#error('payload is not the CRC-64 of the content, 8 bytes in base64')
  }

  #base64(text: string, field: string): Buffer {
    const bytes = Buffer.from(text, 'base64')
    // Node skips what is not base64, which makes the result shorter, and takes the alphabet for URLs, too.
    const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
    const isWhole = text.length % 4 === 0 && bytes.length === (text.length / 4) * 3 - padding
    if (!isWhole || text.includes('-') || text.includes('_')) {
      throw this.#error(`${field} is not base64`)
    }
    return bytes
  }

  #error(message: string, line = this.#line, cause?: unknown): Error {
    return storageError('TARSPLIT_CORRUPT', `tar-split line ${line}: ${message}`, { cause, details: { line } })
  }
}

function hasManyValues(line: Buffer): boolean {
  let count = 0
  for (const character of ',[{') {
    for (let at = line.indexOf(character); at >= 0; at = line.indexOf(character, at + 1)) {
      if (++count > MAX_VALUES) return true
    }
  }
  return false
}
