/** Signatures by bare public keys: ostree's ed25519 and spki (ostree.md §2.5, §3.8). */
import { createPublicKey, verify, type KeyObject } from 'node:crypto'
import { SluiceError } from '../../errors.js'
import type { SignatureVerdict } from './verdict.js'

export type PublicKeyKind = 'ed25519' | 'spki'

export interface TrustedPublicKey {
  /** Base64 of the 32 bytes of an ed25519 key, of the DER of another. */
  readonly name: string
  readonly key: KeyObject
}

const ED25519_KEY_BYTES = 32
const ED25519_SIGNATURE_BYTES = 64
/** What precedes the 32 bytes of an ed25519 key in a SubjectPublicKeyInfo. */
const ED25519_DER_HEAD = Buffer.from('302a300506032b6570032100', 'hex')
/**
 * The points of small order, in each of their encodings but for the bit of the sign. For such a key, anybody can make
 * signatures of anything; libsodium, which libostree checks signatures with, takes none of them.
 */
const SMALL_ORDER = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
])
const PEM_BLOCK = /-----BEGIN PUBLIC KEY-----[\s\S]*?-----END PUBLIC KEY-----/g

/**
 * The keys of a file: PEM blocks, one base64 key per line (`#` begins a comment), or the 32 bytes of an ed25519 key.
 *
 * @param what names the file in errors.
 * @throws SluiceError `SLUICE_CONFIG` if there is none, or something else in it.
 */
export function readPublicKeys(kind: PublicKeyKind, bytes: Uint8Array, what: string): TrustedPublicKey[] {
  const text = Buffer.from(bytes).toString('latin1')
  const blocks = text.match(PEM_BLOCK)
  if (blocks !== null) return blocks.map((block) => checked(kind, () => createPublicKey(block), what))
  if (kind === 'ed25519' && bytes.length === ED25519_KEY_BYTES) return [ed25519Key(bytes, what)]
  const lines = text.split('\n').map((line) => line.trim())
  const keys = lines.filter((line) => line !== '' && !line.startsWith('#'))
  if (keys.length === 0) throw new SluiceError('SLUICE_CONFIG', `${what} holds no ${kind} key`)
  return keys.map((key) => parsePublicKey(kind, key, what))
}

/** One key in base64, as it is written in a remote's configuration. */
export function parsePublicKey(kind: PublicKeyKind, base64: string, what: string): TrustedPublicKey {
  const bytes = Buffer.from(base64, 'base64')
  if (kind === 'spki') return checked(kind, () => createPublicKey({ key: bytes, format: 'der', type: 'spki' }), what)
  if (bytes.length !== ED25519_KEY_BYTES || bytes.toString('base64') !== base64) {
    throw new SluiceError('SLUICE_CONFIG', `${what}: an ed25519 key is 32 bytes in base64, which this is not`)
  }
  return ed25519Key(bytes, what)
}

function ed25519Key(bytes: Uint8Array, what: string): TrustedPublicKey {
  const der = Buffer.concat([ED25519_DER_HEAD, bytes])
  return checked('ed25519', () => createPublicKey({ key: der, format: 'der', type: 'spki' }), what)
}

function checked(kind: PublicKeyKind, read: () => KeyObject, what: string): TrustedPublicKey {
  let key: KeyObject
  try {
    key = read()
  } catch (error) {
    throw new SluiceError('SLUICE_CONFIG', `${what} holds something that is no public key`, { cause: error })
  }
  if (kind === 'ed25519' && key.asymmetricKeyType !== 'ed25519') {
    throw new SluiceError('SLUICE_CONFIG', `${what} holds a key of type ${key.asymmetricKeyType}, not ed25519`)
  }
  const der = key.export({ format: 'der', type: 'spki' })
  if (kind === 'spki') return { name: der.toString('base64'), key }
  const bytes = der.subarray(ED25519_DER_HEAD.length)
  if (isOfSmallOrder(bytes)) {
    throw new SluiceError('SLUICE_CONFIG', `${what} holds an ed25519 key for which anybody can make signatures`)
  }
  return { name: bytes.toString('base64'), key }
}

function isOfSmallOrder(key: Uint8Array): boolean {
  const bytes = Buffer.from(key)
  bytes[31] &= 0x7f
  return SMALL_ORDER.has(bytes.toString('hex'))
}

/** A signature is valid if any of the keys made it. */
export function verifyByPublicKeys(
  kind: PublicKeyKind,
  data: Uint8Array,
  signatures: readonly Uint8Array[],
  keys: readonly TrustedPublicKey[],
): SignatureVerdict[] {
  return signatures.map((signature) => {
    if (kind === 'ed25519' && signature.length !== ED25519_SIGNATURE_BYTES) {
      const reason = `it has ${signature.length} bytes, not ${ED25519_SIGNATURE_BYTES}`
      return { kind, signer: undefined, valid: false, reason }
    }
    const signer = keys.find(({ key }) => isSignedBy(key, data, signature))?.name
    const valid = signer !== undefined
    return { kind, signer, valid, reason: valid ? undefined : 'none of the trusted keys made it of this data' }
  })
}

function isSignedBy(key: KeyObject, data: Uint8Array, signature: Uint8Array): boolean {
  try {
    // Without a name of a digest, that which belongs to the key.
    return verify(undefined, data, key, signature)
  } catch {
    // OpenSSL has its own errors for signatures that are none.
    return false
  }
}
