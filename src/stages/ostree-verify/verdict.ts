/** What the check of a signature gives. */

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
