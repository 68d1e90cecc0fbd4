/** Signatures of commits and summaries: `.commitmeta` objects, `summary.sig`, wrappers of deltas (ostree.md §2.5). */
import { lookupAs } from '../gvariant/dictionary.js'
import { parseType } from '../gvariant/type.js'
import type { Dictionary } from '../gvariant/value.js'

const keys = {
  /** Each a binary OpenPGP signature packet; one after the other they are valid, too. */
  gpg: 'ostree.gpgsigs',
  /** 64 bytes each. */
  ed25519: 'ostree.sign.ed25519',
  spki: 'ostree.sign.spki',
  dummy: 'ostree.sign.dummy',
} as const

export type SignatureKind = keyof typeof keys

const signaturesType = parseType<readonly Uint8Array[]>('aay')

/** The signatures of one kind; none if there are none. @throws SluiceError `SLUICE_FORMAT`: something else under that name. */
export function signaturesOf(dictionary: Dictionary, kind: SignatureKind): readonly Uint8Array[] {
  return lookupAs(dictionary, keys[kind], signaturesType) ?? []
}
