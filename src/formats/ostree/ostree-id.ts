/** Ids of ostree objects: SHA-256, whatever the hash of the composefs repository is (ostree.md §1.3, §1.4). */
import { hash } from 'node:crypto'
import { formatError } from '../../errors.js'
import { asBuffer } from '../bytes.js'

/** 64 lower-case hex digits. */
export type OstreeId = string & { readonly __brand: 'OstreeId' }

/** Bytes of an id. */
export const ID_LENGTH = 32

const syntax = /^[0-9a-fA-F]{64}$/

/** Whether `text` is an id in hex, of either case. */
export function isOstreeId(text: string): boolean {
  return syntax.test(text)
}

/** Takes hex of either case. @throws SluiceError `SLUICE_FORMAT` */
export function parseOstreeId(text: string): OstreeId {
  if (!syntax.test(text)) throw formatError('ostree', `not an object id: ${JSON.stringify(text.slice(0, 100))}`)
  return text.toLowerCase() as OstreeId
}

/** @throws SluiceError `SLUICE_FORMAT`: not 32 bytes. */
export function ostreeIdFromBytes(bytes: Uint8Array): OstreeId {
  if (bytes.length !== ID_LENGTH) throw formatError('ostree', `an object id takes 32 bytes, not ${bytes.length}`)
  return asBuffer(bytes).toString('hex') as OstreeId
}

export function ostreeIdToBytes(id: OstreeId): Buffer {
  return Buffer.from(id, 'hex')
}

/** The id of a metadata object: of its stored bytes. */
export function hashMetadata(bytes: Uint8Array): OstreeId {
  return hash('sha256', bytes, 'hex') as OstreeId
}
