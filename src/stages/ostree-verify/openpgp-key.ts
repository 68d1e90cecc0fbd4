/** What GnuPG heeds of an OpenPGP key and the library does not: revocations of every kind, and what any user ID says. */
import type { KeyID, PublicKey, SignaturePacket } from 'openpgp'
import { openpgp } from './openpgp-library.js'

type KeyPacket = PublicKey['keyPacket']

/**
 * Whether the key, or the subkey called `id`, is revoked. The library heeds no revocation that is by a weak hash, expired, of
 * a date to come, or by another key that may revoke this one (RFC 4880 §5.2.3.15); GnuPG heeds them.
 */
export async function isRevoked(key: PublicKey, id: KeyID, keys: readonly PublicKey[]): Promise<boolean> {
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
export async function requireOwnWord(key: PublicKey, signer: object, date: Date): Promise<void> {
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
