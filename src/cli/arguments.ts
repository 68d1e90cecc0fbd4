/** Values of options. */
import { SluiceError } from '../errors.js'

export function positive(text: string): number {
  if (!/^[1-9][0-9]{0,3}$/.test(text)) throw new SluiceError('SLUICE_USAGE', `not a number from 1 to 9999: ${text}`)
  return Number(text)
}

/** A number of generations; -1 stands for all. */
export function depth(text: string): number {
  if (text === '-1') return Number.POSITIVE_INFINITY
  if (!/^[0-9]{1,6}$/.test(text)) throw new SluiceError('SLUICE_USAGE', `not a number, or -1: ${text}`)
  return Number(text)
}

/** `64M`, `1GiB`, `1000000`: powers of 1024, or plain bytes. */
export function byteSize(text: string): number {
  const [, digits, unit] = /^([1-9][0-9]{0,14})([KMGT]?)(?:i?B)?$/i.exec(text) ?? []
  if (digits === undefined) {
    throw new SluiceError('SLUICE_USAGE', `not a size: ${text}`, { hint: 'write it like 64M or 1GiB' })
  }
  return Number(digits) * 1024 ** ['', 'K', 'M', 'G', 'T'].indexOf((unit ?? '').toUpperCase())
}
