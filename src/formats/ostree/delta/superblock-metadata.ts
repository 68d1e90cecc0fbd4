/**
 * The metadata of a superblock. Inline parts are in it, so it can be as large as the whole delta: they are not read but
 * found, and the rest is little (ostree.md §1.6, §8.15).
 */
import { formatError } from '../../../errors.js'
import { readValue } from '../../gvariant/read.js'
import { layOutArray, layOutTuple, type PieceReader, type Span } from '../../gvariant/layout.js'
import { membersOf, parseType } from '../../gvariant/type.js'
import type { Dictionary, Variant } from '../../gvariant/value.js'
import { deltaDirectory, type DeltaEnds } from '../delta-path.js'
import { MAX_METADATA } from '../limits.js'

export interface SuperblockMetadata {
  /** Everything but inline parts. */
  readonly dictionary: Dictionary
  /** Where inline parts are in the file, by key. */
  readonly inline: ReadonlyMap<string, Span>
}

const entryType = parseType('{sv}')
const stringType = parseType<string>('s')
const variantType = parseType<Variant>('v')

/** A zero byte and the type, behind the value. */
const INLINE_TAIL = Buffer.from('\0(yay)', 'latin1')
const PREFIX = 'deltas/'

/** Bytes of the entries that are no inline parts are counted: a dictionary of other things has no reason to be large. */
export function readSuperblockMetadata(file: PieceReader, [start, end]: Span): SuperblockMetadata {
  const dictionary: [string, Variant][] = []
  const inline = new Map<string, Span>()
  let taken = 0
  const take = (start: number, end: number): Buffer => {
    taken += end - start
    if (taken > MAX_METADATA) throw formatError('delta', `its metadata takes more than ${MAX_METADATA} bytes`)
    return file.read(start, end)
  }
  const spans = layOutArray(entryType, file, start, end)
  for (let at = 0; at < spans.length; at += 2) {
    const entry = layOutTuple(entryType, membersOf(entryType), file, spans[at], spans[at + 1])
    const [nameStart, nameEnd, valueStart, valueEnd] = entry
    const name = readValue(stringType, take(nameStart, nameEnd))
    const tail = Math.max(valueStart, valueEnd - INLINE_TAIL.length)
    if (name.startsWith(PREFIX) && file.read(tail, valueEnd).equals(INLINE_TAIL)) {
      if (!inline.has(name)) inline.set(name, [valueStart, tail])
    } else {
      dictionary.push([name, readValue(variantType, take(valueStart, valueEnd))])
    }
  }
  return { dictionary, inline }
}

/**
 * Finds what belongs to a delta by its exact key, else by any that ends alike: some writers spell the path differently
 * (§8.14).
 */
export function underDelta<T>(
  entries: Iterable<readonly [string, T]>,
  ends: DeltaEnds,
): (name: string) => T | undefined {
  const exact = new Map<string, T>()
  const loose = new Map<string, T>()
  const directory = `${deltaDirectory(ends)}/`
  for (const [key, value] of entries) {
    const name = key.slice(key.lastIndexOf('/') + 1)
    if (!key.startsWith(PREFIX)) continue
    if (key === directory + name && !exact.has(name)) exact.set(name, value)
    if (!loose.has(name)) loose.set(name, value)
  }
  return (name) => exact.get(name) ?? loose.get(name)
}
