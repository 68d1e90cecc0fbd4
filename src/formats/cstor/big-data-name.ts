import { storageError } from './storage-error.js'
import { quote } from '../quote.js'

/** The file name of the item `key` of an image or layer (containers-storage.md §1.3). */
export function bigDataFileName(key: string): string {
  const name = /^[0-9a-z.]+$/.test(key) ? key : `=${Buffer.from(key, 'utf8').toString('base64')}`
  if (name.includes('/') || name === '.' || name === '..' || name.length > 255) {
    throw storageError('STORE_CORRUPT', `containers-storage: no file can be named after the item ${quote(key)}`)
  }
  return name
}
