/** The signatures in detached metadata: of a `.commitmeta`, a `summary.sig`, or a delta (ostree.md §2.5). */
import { dictionaryType } from '../../formats/gvariant/dictionary.js'
import { readValue } from '../../formats/gvariant/read.js'
import type { Dictionary } from '../../formats/gvariant/value.js'
import { signaturesOf } from '../../formats/ostree/signatures.js'
import type { SignatureKind } from './verdict.js'

/** The signatures of detached metadata, by kind. */
export type DetachedSignatures = Readonly<Record<SignatureKind, readonly Uint8Array[]>>

/** @throws SluiceError `SLUICE_FORMAT` if an entry for signatures is of another type. */
export function detachedSignatures(metadata: Dictionary): DetachedSignatures {
  return {
    gpg: signaturesOf(metadata, 'gpg'),
    ed25519: signaturesOf(metadata, 'ed25519'),
    spki: signaturesOf(metadata, 'spki'),
  }
}

/** Of the bytes of a `.commitmeta` or `summary.sig`; undefined stands for a file that is not there. */
export function readDetachedSignatures(bytes: Uint8Array | undefined): DetachedSignatures {
  return detachedSignatures(bytes === undefined ? [] : readValue(dictionaryType, bytes))
}
