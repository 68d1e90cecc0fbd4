/** GVariant type strings, parsed once into descriptors that reading and writing walk (ostree.md §1.1). */
import { formatError } from '../../errors.js'
import { MAX_DEPTH } from './format.js'
import type { Value } from './value.js'

export type BasicCode = 'y' | 'b' | 'n' | 'q' | 'i' | 'u' | 'h' | 'x' | 't' | 'd' | 's' | 'o' | 'g'

export type Shape =
  | { readonly kind: 'basic'; readonly code: BasicCode }
  | { readonly kind: 'variant' }
  | { readonly kind: 'array' | 'maybe'; readonly element: GvariantType }
  /** Tuples, and dictionary entries as pairs. */
  | { readonly kind: 'tuple'; readonly members: readonly GvariantType[] }

/** `T` is what its values are in JavaScript; see `Value`. */
export interface GvariantType<T = Value> {
  /** The type string. */
  readonly text: string
  /** Bytes. */
  readonly align: 1 | 2 | 4 | 8
  /** Bytes of every value; 0 if they differ. No value of a fixed-size type is empty. */
  readonly fixedSize: number
  /** Containers inside one another, 0 for basic types. */
  readonly depth: number
  readonly shape: Shape
  /** Carries `T`; never set. */
  readonly __value?: T
}

const basicSize: Readonly<Record<BasicCode, 0 | 1 | 2 | 4 | 8>> = {
  y: 1,
  b: 1,
  n: 2,
  q: 2,
  i: 4,
  u: 4,
  h: 4,
  x: 8,
  t: 8,
  d: 8,
  s: 0,
  o: 0,
  g: 0,
}

const malformed = (text: string) => formatError('gvariant', `not a type string: ${JSON.stringify(text.slice(0, 100))}`)

const isBasic = (code: string): code is BasicCode => Object.hasOwn(basicSize, code)

/** Rounds up to a multiple of `align`. */
export function alignUp(position: number, align: number): number {
  const over = position % align
  return over === 0 ? position : position + align - over
}

class TypeParser {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  get atEnd(): boolean {
    return this.#at === this.#text.length
  }

  /** One complete type. `room` is how many more containers may be inside one another. */
  next(room: number): GvariantType {
    const start = this.#at
    const code = this.#text[this.#at++] ?? ''
    if (isBasic(code)) return basicType(code)
    if (room === 0) throw malformed(this.#text)
    if (code === 'v') return { text: 'v', align: 8, fixedSize: 0, depth: 1, shape: { kind: 'variant' } }
    if (code === 'a' || code === 'm') {
      const element = this.next(room - 1)
      const { align, depth } = element
      const kind = code === 'a' ? 'array' : 'maybe'
      return { text: this.#from(start), align, fixedSize: 0, depth: depth + 1, shape: { kind, element } }
    }
    if (code !== '(' && code !== '{') throw malformed(this.#text)
    const members = this.#members(code === '(' ? ')' : '}', room - 1)
    if (code === '{' && (members.length !== 2 || members[0].shape.kind !== 'basic')) throw malformed(this.#text)
    return tupleType(this.#from(start), members)
  }

  #members(close: string, room: number): GvariantType[] {
    const members: GvariantType[] = []
    while (this.#text[this.#at] !== close) members.push(this.next(room))
    this.#at++
    return members
  }

  #from(start: number): string {
    return this.#text.slice(start, this.#at)
  }
}

function basicType(code: BasicCode): GvariantType {
  const fixedSize = basicSize[code]
  return { text: code, align: fixedSize || 1, fixedSize, depth: 0, shape: { kind: 'basic', code } }
}

function tupleType(text: string, members: readonly GvariantType[]): GvariantType {
  let align: 1 | 2 | 4 | 8 = 1
  let depth = 0
  let size = 0
  for (const member of members) {
    if (member.align > align) align = member.align
    if (member.depth > depth) depth = member.depth
    size = alignUp(size, member.align) + member.fixedSize
  }
  const isFixed = members.every(({ fixedSize }) => fixedSize > 0)
  const fixedSize = isFixed ? Math.max(1, alignUp(size, align)) : 0
  return { text, align, fixedSize, depth: depth + 1, shape: { kind: 'tuple', members } }
}

/**
 * The descriptor of exactly one complete type.
 *
 * @throws SluiceError `SLUICE_FORMAT`: unknown letters, something missing or left over, more than `MAX_DEPTH` levels.
 */
export function parseType<T = Value>(text: string): GvariantType<T> {
  const parser = new TypeParser(text)
  const type = parser.next(MAX_DEPTH)
  if (!parser.atEnd) throw malformed(text)
  return type as GvariantType<T>
}

/** The members of a tuple or dictionary entry. */
export function membersOf({ shape }: GvariantType): readonly GvariantType[] {
  return shape.kind === 'tuple' ? shape.members : []
}

/** Whether `text` is a signature: any number of complete types, one after the other; D-Bus, whose they are, has no maybes. */
export function isSignature(text: string): boolean {
  if (text.includes('m')) return false
  const parser = new TypeParser(text)
  try {
    while (!parser.atEnd) parser.next(MAX_DEPTH)
    return true
  } catch {
    return false
  }
}
