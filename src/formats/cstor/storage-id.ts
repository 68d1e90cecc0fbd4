import { quote } from '../quote.js'
import { storageError } from './storage-error.js'

/** An id of an image or layer, fit to be part of a path; other writers than the Go library may have other ids than hex. */
export function checkStorageId(id: string, what: string): string {
  if (/^[A-Za-z0-9._-]{1,128}$/.test(id) && id !== '.' && id !== '..') return id
  throw storageError('STORE_CORRUPT', `containers-storage: ${what} is no id that can be part of a path: ${quote(id)}`)
}
