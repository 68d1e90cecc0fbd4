/**
 * OpenPGP signatures (ostree.md §2.5, §3.8), judged as GnuPG does for libostree: the key must be in the keyring, able to
 * sign, and neither expired nor revoked *now*, whatever it was when it signed.
 */
import type { AnyPacket, PublicKey } from 'openpgp'
import { SluiceError } from '../../errors.js'
import { isRevoked, requireOwnWord } from './openpgp-key.js'
import type { OpenPgpKeyring } from './openpgp-keyring.js'
import { openpgp, publicKeys } from './openpgp-library.js'
import { checkSignatureCount, type SignatureVerdict } from './verdict.js'

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

function refused(signer: string | undefined, error: unknown): SignatureVerdict {
  const said = error instanceof Error ? error.message : String(error)
  // What the library would check them by is not there.
  const reason = said.includes("'eckey-utils'") ? 'keys of this curve are not supported' : said
  return { kind: 'gpg', signer, valid: false, reason }
}
