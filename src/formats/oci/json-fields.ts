/**
 * Reading untrusted JSON documents field by field: every error names the document and the path of the field.
 *
 * Unknown fields are ignored; an optional field that is null counts as absent, as in the reference.
 */
import { formatError, type SluiceError } from '../../errors.js'
import { parseDigest, type Digest } from '../digest.js'
import { isRecord, isWellFormed, repeatedKey } from '../json.js'

/** No manifest, index or config is larger (oci.md §11). */
export const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024

/** Characters of an error that names a field. */
const MAX_QUOTE = 1000

/** An object of a document; `path` is where it is, for errors. */
export class JsonFields {
  readonly #value: Readonly<Record<string, unknown>>
  readonly #document: string
  readonly #path: string

  constructor(value: unknown, document: string, path = '') {
    this.#document = document
    this.#path = path
    if (!isRecord(value)) {
      throw this.error(path === '' ? 'the document is not an object' : `${path} is not an object`)
    }
    this.#value = value
    if (!Object.keys(value).every(isWellFormed))
      throw this.error(`${path || 'the document'} has a key that is not Unicode`)
  }

  /** `message` may quote the document, and is cut where it does so at length. */
  error(message: string): SluiceError {
    return formatError(this.#document, message.length > MAX_QUOTE ? `${message.slice(0, MAX_QUOTE)}…` : message)
  }

  has(name: string): boolean {
    return this.#get(name) !== undefined
  }

  string(name: string): string {
    return this.optionalString(name) ?? this.#missing(name)
  }

  optionalString(name: string): string | undefined {
    const value = this.#get(name)
    return value === undefined ? undefined : this.#text(value, this.#at(name))
  }

  optionalBoolean(name: string): boolean | undefined {
    const value = this.#get(name)
    if (value === undefined || typeof value === 'boolean') return value
    throw this.error(`${this.#at(name)} is neither true nor false`)
  }

  /** A whole number from 0 to 2^53 - 1, in digits alone. */
  integer(name: string): number {
    const value = this.#get(name) ?? this.#missing(name)
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0)) return value
    throw this.error(`${this.#at(name)} is not a whole number that fits`)
  }

  digest(name: string): Digest {
    return this.#toDigest(this.string(name), this.#at(name))
  }

  object(name: string): JsonFields {
    return this.optionalObject(name) ?? this.#missing(name)
  }

  optionalObject(name: string): JsonFields | undefined {
    const value = this.#get(name)
    return value === undefined ? undefined : new JsonFields(value, this.#document, this.#at(name))
  }

  objects(name: string): JsonFields[] {
    return this.#array(name).map((value, i) => new JsonFields(value, this.#document, `${this.#at(name)}[${i}]`))
  }

  optionalObjects(name: string): JsonFields[] | undefined {
    return this.has(name) ? this.objects(name) : undefined
  }

  optionalStrings(name: string): string[] | undefined {
    return this.has(name) ? this.strings(name) : undefined
  }

  strings(name: string): string[] {
    return this.#array(name).map((value, i) => this.#text(value, `${this.#at(name)}[${i}]`))
  }

  digests(name: string): Digest[] {
    return this.strings(name).map((text, i) => this.#toDigest(text, `${this.#at(name)}[${i}]`))
  }

  /** An object with string values, such as annotations and labels; undefined if absent. */
  optionalStringMap(name: string): ReadonlyMap<string, string> | undefined {
    const fields = this.optionalObject(name)
    return fields && new Map(Object.keys(fields.#value).map((key) => [key, fields.string(key)]))
  }

  /** An object with objects as values, such as the ports and volumes of a config; undefined if absent. */
  optionalObjectMap(name: string): ReadonlyMap<string, JsonFields> | undefined {
    const fields = this.optionalObject(name)
    return fields && new Map(Object.keys(fields.#value).map((key) => [key, fields.object(key)]))
  }

  #text(value: unknown, path: string): string {
    if (typeof value !== 'string') throw this.error(`${path} is not a string`)
    if (!isWellFormed(value)) throw this.error(`${path} is not Unicode`)
    return value
  }

  #array(name: string): unknown[] {
    const value = this.#get(name) ?? this.#missing(name)
    if (Array.isArray(value)) return value
    throw this.error(`${this.#at(name)} is not an array`)
  }

  #get(name: string): {} | undefined {
    return Object.hasOwn(this.#value, name) ? (this.#value[name] ?? undefined) : undefined
  }

  #at(name: string): string {
    return this.#path === '' ? name : `${this.#path}.${name}`
  }

  #missing(name: string): never {
    throw this.error(`missing field ${this.#at(name)}`)
  }

  #toDigest(text: string, path: string): Digest {
    try {
      return parseDigest(text)
    } catch (cause) {
      throw formatError(this.#document, `${path} is not a digest: ${JSON.stringify(text.slice(0, 160))}`, { cause })
    }
  }
}

/**
 * Parses `bytes` as a JSON object.
 *
 * @param document name of the document for errors, such as "manifest sha256:…".
 * @throws SluiceError `SLUICE_FORMAT` above `MAX_DOCUMENT_BYTES`, or if it is not an object in UTF-8 JSON, or an object in it
 *   has a key twice.
 */
export function parseJsonObject(bytes: Uint8Array, document: string): JsonFields {
  const { text, value } = decodeObject(bytes, document)
  const fields = new JsonFields(withoutDisguisedIntegers(text) ?? value, document)
  const twice = repeatedKey(text)
  if (twice !== undefined) throw fields.error(`the field ${JSON.stringify(twice)} is there twice`)
  return fields
}

/**
 * `text` parsed with another number in place of each that has a fraction or an exponent: `5.0` and `5e0` are 5 to `JSON.parse`,
 * but no whole numbers to the reference, which could not read what a pull stored. Undefined if there is none.
 */
function withoutDisguisedIntegers(text: string): unknown {
  let found = false
  const replaced = text.replace(/"(?:[^"\\]+|\\.)*"|-?\d[\d.eE+-]*/g, (token) => {
    if (token.startsWith('"') || /^-?\d+$/.test(token)) return token
    found = true
    return '0.5'
  })
  return found ? JSON.parse(replaced) : undefined
}

/** As `parseJsonObject`, for an answer that no digest names: of a key that is there twice, the last value counts. */
export function parseJsonAnswer(bytes: Uint8Array, document: string): Readonly<Record<string, unknown>> {
  return decodeObject(bytes, document).value
}

function decodeObject(bytes: Uint8Array, document: string): { text: string; value: Record<string, unknown> } {
  if (bytes.length > MAX_DOCUMENT_BYTES) {
    throw formatError(document, `${bytes.length} bytes; no such document is larger than ${MAX_DOCUMENT_BYTES}`)
  }
  let text: string
  let value: unknown
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    value = JSON.parse(text)
  } catch (cause) {
    throw formatError(document, `not a JSON document${looksLikeHtml(bytes) ? ' but an HTML page' : ''}`, { cause })
  }
  if (!isRecord(value)) throw formatError(document, 'the document is not an object')
  return { text, value }
}

/** Space, which a byte order mark counts as, comments and declarations may come first; alone they make no page of it. */
const htmlStart = /^(?:\s|<!--(?:(?!-->)[^])*-->|<\?(?:(?!\?>)[^])*\?>)*<(?:!doctype\s+html|html)\b/i

/** Whether this is the page of a login portal, proxy or web server rather than a document. */
export function looksLikeHtml(bytes: Uint8Array): boolean {
  return htmlStart.test(Buffer.from(bytes.subarray(0, 1024)).toString('utf8'))
}
