/** What the check of a signature gives. */
import { SluiceError } from '../../errors.js'

/** Kinds of signatures, by the names that ostree's configuration has for them. */
export type SignatureKind = 'gpg' | 'ed25519' | 'spki'

export interface SignatureVerdict {
  readonly kind: SignatureKind
  /**
   * Who signed: the fingerprint of an OpenPGP key, or the base64 of another public key. Of a signature that no trusted key
   * made, the id that it states, if it states one.
   */
  readonly signer: string | undefined
  readonly valid: boolean
  /** Why it is not valid. */
  readonly reason: string | undefined
}

/** A server may send as many as it likes, and each takes time: more than these are refused. */
export const MAX_SIGNATURES = 100

/** @throws SluiceError `SLUICE_FORMAT` */
export function checkSignatureCount(count: number): void {
  if (count <= MAX_SIGNATURES) return
  throw new SluiceError('SLUICE_FORMAT', `there are ${count} signatures; more than ${MAX_SIGNATURES} are not checked`)
}
