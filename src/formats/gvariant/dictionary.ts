/** Looking things up in `a{sv}`. */
import { formatError } from '../../errors.js'
import { readValue } from './read.js'
import { parseType, type GvariantType } from './type.js'
import type { Dictionary, Variant } from './value.js'

export const dictionaryType = parseType<Dictionary>('a{sv}')

/** The value inside a variant, or undefined if it is of another type. */
export function valueOf<T>(variant: Variant, type: GvariantType<T>): T | undefined {
  return variant.type === type.text ? readValue(type, variant.bytes) : undefined
}

/** The first value called `name`, or undefined. */
export function lookup(dictionary: Dictionary, name: string): Variant | undefined {
  return dictionary.find(([key]) => key === name)?.[1]
}

/**
 * The first value called `name`, or undefined.
 *
 * @throws SluiceError `SLUICE_FORMAT`: it is there, but of another type.
 */
export function lookupAs<T>(dictionary: Dictionary, name: string, type: GvariantType<T>): T | undefined {
  const found = lookup(dictionary, name)
  if (found === undefined) return undefined
  const value = valueOf(found, type)
  if (value === undefined) {
    throw formatError('gvariant', `${name} is of type ${JSON.stringify(found.type.slice(0, 100))}, not ${type.text}`)
  }
  return value
}

/** @throws SluiceError `SLUICE_FORMAT` */
export function readDictionary(bytes: Uint8Array): Dictionary {
  return readValue(dictionaryType, bytes)
}
