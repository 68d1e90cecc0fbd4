/**
 * OpenPGP signatures (ostree.md §2.5, §3.8), judged as GnuPG does for libostree: the key must be in the keyring, able to
 * sign, and neither expired nor revoked *now*, whatever it was when it signed.
 */
import type { AnyPacket, KeyID, PacketList, PublicKey, SignaturePacket } from 'openpgp'
import { SluiceError } from '../../errors.js'
import { checkSignatureCount, type SignatureVerdict } from './verdict.js'

/** What its keys are is not part of the API: whoever compiles against it may not have the optional library. */
export interface OpenPgpKeyring {
  readonly keys: readonly unknown[]
}

const publicKeys = ({ keys }: OpenPgpKeyring): readonly PublicKey[] => keys as readonly PublicKey[]

type KeyPacket = PublicKey['keyPacket']
type AllowedPackets = Parameters<typeof PacketList.fromBinary>[1]

/** The library is an optional dependency and takes 50 ms to load. */
async function openpgp() {
  try {
    return await import('openpgp')
  } catch (error) {
    throw new SluiceError(
      'SLUICE_UNSUPPORTED',
      'OpenPGP signatures cannot be checked: the package openpgp is missing',
      {
        cause: error,
        hint: 'install it beside sluice with "npm install openpgp"',
      },
    )
  }
}

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

/** A packet has some hundred bytes, and some KiB with certificates or notes; each takes far more memory than it has bytes. */
const MAX_SIGNATURE_BYTES = 64 * 1024

/**
 * Checks `data` against signature packets; each element may be several of them, also armoured as GnuPG accepts it.
 *
 * @param date counts as now.
 * @throws SluiceError `SLUICE_FORMAT` if there are too many.
 */
export async function verifyOpenPgp(
  data: Uint8Array,
  signatures: readonly Uint8Array[],
  keyring: OpenPgpKeyring,
  date: Date,
): Promise<SignatureVerdict[]> {
  const { createMessage, readSignature } = await openpgp()
  const [literal] = (await createMessage({ binary: data })).packets
  const verdicts: SignatureVerdict[] = []
  let packets = 0
  for (const bytes of signatures) {
    try {
      if (bytes.length > MAX_SIGNATURE_BYTES) throw new Error(`it has ${bytes.length} bytes`)
      const text = Buffer.from(bytes).toString('latin1')
      const isText = text.startsWith('-----BEGIN PGP')
      const signature = await (isText
        ? readSignature({ armoredSignature: text })
        : readSignature({ binarySignature: bytes }))
      packets += signature.packets.length
      checkSignatureCount(packets)
      for (const packet of signature.packets) verdicts.push(await judge(packet, literal, publicKeys(keyring), date))
    } catch (error) {
      if (error instanceof SluiceError) throw error
      verdicts.push(refused(undefined, error))
    }
  }
  return verdicts
}

/** @param literal what is signed. */
async function judge(
  packet: AnyPacket,
  literal: object,
  keys: readonly PublicKey[],
  date: Date,
): Promise<SignatureVerdict> {
  const { config, enums, SignaturePacket } = await openpgp()
  if (!(packet instanceof SignaturePacket))
    return refused(undefined, new Error('its version or algorithm is not known'))
  const { created, issuerKeyID: id, signatureType: type } = packet
  const key = keys.find((candidate) => candidate.getKeys(id).length > 0)
  const signer = key === undefined ? id.toHex() : key.getFingerprint()
  try {
    if (key === undefined) throw new Error('its key is not in the keyring')
    if (type !== enums.signature.binary && type !== enums.signature.text) throw new Error('it is not one of data')
    // Old keys do not say what they are for; GnuPG takes them for what their algorithm can do.
    const { keyPacket } = await key.getSigningKey(id, date, undefined, { ...config, allowMissingKeyFlags: true })
    if (created === null || created < keyPacket.created) throw new Error('its key is newer than it')
    // The clock of who signed may be ahead; GnuPG accepts that. The key must be valid now all the same.
    await packet.verify(keyPacket, type, literal, created > date ? created : date, true, config)
    if (await isRevoked(key, id, keys)) throw new Error('its key is revoked')
    await requireOwnWord(key, keyPacket, date)
    return { kind: 'gpg', signer, valid: true, reason: undefined }
  } catch (error) {
    return refused(signer, error)
  }
}

/**
 * Whether the key, or the subkey called `id`, is revoked. The library heeds no revocation that is by a weak hash, expired, of
 * a date to come, or by another key that may revoke this one (RFC 4880 §5.2.3.15); GnuPG heeds them.
 */
async function isRevoked(key: PublicKey, id: KeyID, keys: readonly PublicKey[]): Promise<boolean> {
  const { enums } = await openpgp()
  const { keyRevocation, subkeyRevocation } = enums.signature
  const primary = key.keyPacket
  const revocations = [
    ...key.revocationSignatures.map((packet) => ({ packet, type: keyRevocation, data: { key: primary } })),
    ...key.getSubkeys(id).flatMap(({ keyPacket, revocationSignatures }) =>
      revocationSignatures.map((packet) => ({
        packet,
        type: subkeyRevocation,
        data: { key: primary, bind: keyPacket },
      })),
    ),
  ]
  if (revocations.length === 0) return false
  const revokers = [primary, ...(await designatedRevokers(key, keys))]
  for (const { packet, type, data } of revocations) {
    for (const revoker of revokers) if (await isGenuine(packet, revoker, type, data)) return true
  }
  return false
}

/**
 * Checks when the key expires and, if `signer` is its primary key, what that is for, as GnuPG finds it: by what the key says of
 * itself, else by the latest of its user IDs that says it. The library asks the primary user ID only.
 */
async function requireOwnWord(key: PublicKey, signer: object, date: Date): Promise<void> {
  const { enums } = await openpgp()
  const { keyPacket: primary } = key
  const statements = await ownStatements(key, date)
  const seconds = statements.find(({ keyExpirationTime }) => keyExpirationTime)?.keyExpirationTime ?? Infinity
  if (Number(primary.created) + seconds * 1000 < Number(date)) throw new Error('its key is expired')
  const flags = statements.find(({ keyFlags }) => keyFlags !== null)?.keyFlags
  if (signer === primary && flags && !(flags[0] & enums.keyFlags.signData))
    throw new Error('its key is not for signing')
}

/** What the key signed of itself and of its user IDs, the latest first of these: of each only the latest, if that holds. */
async function ownStatements(key: PublicKey, date: Date): Promise<SignaturePacket[]> {
  const { enums, SignaturePacket } = await openpgp()
  const { key: ofKey, certRevocation } = enums.signature
  const isCurrent = (packet: SignaturePacket) => Number(packet.getExpirationTime()) > Number(date)
  const data = { key: key.keyPacket }
  const packets = key.toPacketList().filter((packet) => packet instanceof SignaturePacket)
  const direct = packets.filter((packet) => packet.signatureType === ofKey && isCurrent(packet))
  const ofUsers: SignaturePacket[] = []
  for (const { userID, selfCertifications, revocationSignatures } of key.users) {
    if (userID === null) continue
    const latest = await latestBy(key, [...selfCertifications, ...revocationSignatures], { ...data, userID })
    ofUsers.push(...latest.filter((packet) => packet.signatureType !== certRevocation && isCurrent(packet)))
  }
  return [...(await latestBy(key, direct, data)), ...ofUsers.sort((a, b) => Number(b.created) - Number(a.created))]
}

/** The latest that the key made of these signatures of `data`; the last one of those of one second. */
async function latestBy(key: PublicKey, packets: SignaturePacket[], data: object): Promise<SignaturePacket[]> {
  let latest: SignaturePacket | undefined
  for (const packet of packets) {
    if (latest !== undefined && Number(packet.created) < Number(latest.created)) continue
    if (await isGenuine(packet, key.keyPacket, packet.signatureType!, data)) latest = packet
  }
  return latest === undefined ? [] : [latest]
}

/** The other keys that may revoke this one, of those that are there. */
async function designatedRevokers(key: PublicKey, keys: readonly PublicKey[]): Promise<KeyPacket[]> {
  const { enums, SignaturePacket } = await openpgp()
  const type = enums.signature.key
  const revokers: KeyPacket[] = []
  for (const packet of key.toPacketList()) {
    if (!(packet instanceof SignaturePacket) || packet.signatureType !== type) continue
    const fingerprint = Buffer.from(packet.revocationKeyFingerprint ?? []).toString('hex')
    const revoker = keys.find((candidate) => candidate.getFingerprint() === fingerprint)
    if (revoker === undefined || !(await isGenuine(packet, key.keyPacket, type, { key: key.keyPacket }))) continue
    revokers.push(revoker.keyPacket)
  }
  return revokers
}

/** What the library says of a signature by another key or of other data, or made for who knows more. */
const VOID = /not issued by|does not match|did not match|verification failed|^Unknown critical/

/** Whether the key made this signature of a key, however weak. What the library cannot check counts as made by it. */
async function isGenuine(packet: SignaturePacket, by: KeyPacket, type: number, data: object): Promise<boolean> {
  const { config } = await openpgp()
  const anyHash = { ...config, rejectHashAlgorithms: new Set<never>() }
  try {
    await packet.verify(by, type, data, packet.created ?? undefined, false, anyHash)
    return true
  } catch (error) {
    return !VOID.test(error instanceof Error ? error.message : String(error))
  }
}

function refused(signer: string | undefined, error: unknown): SignatureVerdict {
  const said = error instanceof Error ? error.message : String(error)
  // What the library would check them by is not there.
  const reason = said.includes("'eckey-utils'") ? 'keys of this curve are not supported' : said
  return { kind: 'gpg', signer, valid: false, reason }
}
