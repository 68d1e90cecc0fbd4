/** Values of options and arguments. What is refused of an option, commander tells with its name. */
import { InvalidArgumentError } from 'commander'
import { SluiceError } from '../errors.js'
import { MIN_MEMORY } from '../options.js'
import type { Digest, HashAlgorithm, ObjectId } from '../index.js'

export function positive(text: string): number {
  if (!/^[1-9][0-9]{0,3}$/.test(text)) throw new InvalidArgumentError('Give a number from 1 to 9999.')
  return Number(text)
}

/** As `positive`, or 0. */
export function count(text: string): number {
  if (!/^(0|[1-9][0-9]{0,3})$/.test(text)) throw new InvalidArgumentError('Give a number from 0 to 9999.')
  return Number(text)
}

/** A number of generations; -1 stands for all. */
export function depth(text: string): number {
  if (text === '-1') return Number.POSITIVE_INFINITY
  if (!/^[0-9]{1,6}$/.test(text)) throw new InvalidArgumentError('Give a number from 0 to 999999, or -1 for all.')
  return Number(text)
}

/** Of the buffers of a run. `64M`, `1GiB`, `100000000`: powers of 1024, or plain bytes. */
export function bufferSize(text: string): number {
  const [, digits, unit] = /^([1-9][0-9]{0,14})([KMGT]?)(?:i?B)?$/i.exec(text) ?? []
  if (digits === undefined) throw new InvalidArgumentError('Give a size like 64M or 1GiB.')
  const bytes = Number(digits) * 1024 ** ['', 'K', 'M', 'G', 'T'].indexOf((unit ?? '').toUpperCase())
  if (bytes < MIN_MEMORY) throw new InvalidArgumentError(`A run needs at least ${MIN_MEMORY / 1024 ** 2}M.`)
  return bytes
}

/** Seconds since 1970. */
export function seconds(text: string): bigint {
  if (!/^[0-9]{1,12}$/.test(text)) throw new InvalidArgumentError('Give a number of seconds since 1970.')
  return BigInt(text)
}

/** A digest given on the command line; a malformed one is a usage error. */
export async function digestArgument(text: string, hint = 'write it as sha256:HEX'): Promise<Digest> {
  const { parseDigest } = await import('../index/values.js')
  return refusing(() => parseDigest(text), `invalid digest ${JSON.stringify(text)}`, hint)
}

/** As `digestArgument`, for the id of an object. */
export async function objectIdArgument(algorithm: HashAlgorithm, text: string): Promise<ObjectId> {
  const { parseObjectId } = await import('../index/values.js')
  const hint = `ids in this repository are ${algorithm === 'sha256' ? 64 : 128} hex digits`
  return refusing(() => parseObjectId(algorithm, text), `invalid object id ${JSON.stringify(text)}`, hint)
}

function refusing<Value>(parse: () => Value, message: string, hint: string): Value {
  try {
    return parse()
  } catch (error) {
    throw new SluiceError('SLUICE_USAGE', message, { cause: error, hint })
  }
}
