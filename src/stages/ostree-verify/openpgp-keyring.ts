/** Lists of OpenPGP keys (ostree.md §3.8): read, joined, written. */
import type { PacketList, PublicKey, SignaturePacket } from 'openpgp'
import { SluiceError } from '../../errors.js'
import { openpgp, publicKeys } from './openpgp-library.js'

/** What its keys are is not part of the API: whoever compiles against it may not have the optional library. */
export interface OpenPgpKeyring {
  readonly keys: readonly unknown[]
}

type AllowedPackets = Parameters<typeof PacketList.fromBinary>[1]

const ARMOUR_BLOCK = /-----BEGIN PGP PUBLIC KEY BLOCK-----[\s\S]*?-----END PGP PUBLIC KEY BLOCK-----/g
/** At offset 8 of GnuPG's own format of keyrings. */
const KEYBOX_MAGIC = Buffer.from('KBXf')

/**
 * Reads public keys, binary or armoured, any number in one file.
 *
 * @param what names the file in errors.
 * @throws SluiceError `SLUICE_CONFIG` if there is no key in it.
 */
export async function readKeyring(bytes: Uint8Array, what: string): Promise<OpenPgpKeyring> {
  if (KEYBOX_MAGIC.equals(bytes.subarray(8, 12))) {
    throw new SluiceError('SLUICE_CONFIG', `${what} is a keybox of GnuPG, not a list of keys`, {
      hint: `write the keys with "gpg --no-default-keyring --keyring ${what} --export"`,
    })
  }
  // In binary data the first byte of a packet has the top bit set; in armour it is text.
  const isBinary = bytes.length > 0 && bytes[0] >= 0x80
  try {
    if (isBinary) return await joinKeyrings([await readBinaryKeys(bytes)])
    const blocks = Buffer.from(bytes).toString('latin1').match(ARMOUR_BLOCK) ?? []
    if (blocks.length === 0) throw new Error('there is no public key in it')
    return await joinKeyrings(await Promise.all(blocks.map(async (block) => readBinaryKeys(await unarmour(block)))))
  } catch (error) {
    throw new SluiceError('SLUICE_CONFIG', `${what} is not a keyring: ${(error as Error).message}`, { cause: error })
  }
}

async function unarmour(block: string): Promise<Uint8Array> {
  const { unarmor } = await openpgp()
  return (await unarmor(block)).data
}

/** Anybody may have put a broken certificate to a key; GnuPG passes over it. */
const tolerance = { ignoreMalformedPackets: true }

async function readBinaryKeys(bytes: Uint8Array): Promise<OpenPgpKeyring> {
  const { readKeys } = await openpgp()
  const keys = await readKeys({ binaryKeys: bytes, config: tolerance })
  if (await hasUnreadableRevocation(bytes)) throw new Error('it has a revocation that cannot be read')
  return { keys }
}

/**
 * The library passes over packets that it cannot read or that are of a version that it does not know, revocations too: the key
 * would be good. Those of keys that it passes over do not matter.
 */
async function hasUnreadableRevocation(keys: Uint8Array): Promise<boolean> {
  const { config, enums, UnparseablePacket, PacketList, ...library } = await openpgp()
  const { publicKey, secretKey, signature } = enums.packet
  const { keyRevocation, subkeyRevocation } = enums.signature
  const classes = [
    library.PublicKeyPacket,
    library.PublicSubkeyPacket,
    library.SecretKeyPacket,
    library.SecretSubkeyPacket,
    library.UserIDPacket,
    library.UserAttributePacket,
    library.SignaturePacket,
  ]
  // A map is what the declaration says; an object is what it takes.
  const allowed: unknown = Object.fromEntries(classes.map((packet) => [packet.tag, packet]))
  const packets = await PacketList.fromBinary(keys, allowed as AllowedPackets, { ...config, ...tolerance })
  let keyIsRead = false
  for (const packet of packets) {
    const isRead = !(packet instanceof UnparseablePacket)
    const { tag } = isRead ? (packet.constructor as unknown as { readonly tag: number }) : packet
    if (tag === publicKey || tag === secretKey) keyIsRead = isRead
    if (isRead || !keyIsRead || tag !== signature) continue
    const bytes = packet.write()
    // Up to version 3 the length of what is hashed precedes the type.
    const type = bytes[0] <= 3 ? bytes[2] : bytes[1]
    if (type === keyRevocation || type === subkeyRevocation) return true
  }
  return false
}

/**
 * Copies of a key become one that has what is in any of them: another copy may be from before it was revoked or renewed.
 */
export async function joinKeyrings(keyrings: readonly OpenPgpKeyring[]): Promise<OpenPgpKeyring> {
  const joined = new Map<string, PublicKey>()
  for (const key of keyrings.flatMap(publicKeys)) {
    const [fingerprint, copy] = [key.getFingerprint(), key.toPublic()]
    const before = joined.get(fingerprint)
    joined.set(fingerprint, before === undefined ? copy : await joinCopies(before, copy))
  }
  return { keys: [...joined.values()] }
}

async function joinCopies(one: PublicKey, other: PublicKey): Promise<PublicKey> {
  const both = await one.update(other)
  // The library leaves out revocations that it does not heed.
  for (const copy of [one, other]) {
    addRevocations(both, copy)
    for (const subkey of copy.subkeys) {
      for (const same of both.getSubkeys(subkey.getKeyID())) addRevocations(same, subkey)
    }
  }
  return both
}

interface Revocable {
  readonly revocationSignatures: SignaturePacket[]
}

function addRevocations({ revocationSignatures }: Revocable, from: Revocable): void {
  const known = new Set(revocationSignatures.map(encodePacket))
  revocationSignatures.push(...from.revocationSignatures.filter((packet) => !known.has(encodePacket(packet))))
}

const encodePacket = (packet: SignaturePacket) => Buffer.from(packet.write()).toString('latin1')

/** The keys as `readKeyring` takes them, binary. */
export function encodeKeyring(keyring: OpenPgpKeyring): Buffer {
  return Buffer.concat(publicKeys(keyring).map((key) => key.write()))
}
