/**
 * OpenPGP signatures (ostree.md §2.5, §3.8), judged as GnuPG does for libostree: the key must be in the keyring, able to
 * sign, and neither expired nor revoked *now*, whatever it was when it signed.
 */
import type { KeyID, PublicKey, SignaturePacket } from 'openpgp'
import { SluiceError } from '../../errors.js'
import { checkSignatureCount, type SignatureVerdict } from './verdict.js'

/** What its keys are is not part of the API: whoever compiles against it may not have the optional library. */
export interface OpenPgpKeyring {
  readonly keys: readonly unknown[]
}

const publicKeys = ({ keys }: OpenPgpKeyring): readonly PublicKey[] => keys as readonly PublicKey[]

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
  const { readKeys } = await openpgp()
  // In binary data the first byte of a packet has the top bit set; in armour it is text.
  const isBinary = bytes.length > 0 && bytes[0] >= 0x80
  try {
    if (isBinary) return joinKeyrings([{ keys: await readKeys({ binaryKeys: bytes }) }])
    const blocks = Buffer.from(bytes).toString('latin1').match(ARMOUR_BLOCK) ?? []
    if (blocks.length === 0) throw new Error('there is no public key in it')
    return joinKeyrings(
      await Promise.all(blocks.map(async (block) => ({ keys: await readKeys({ armoredKeys: block }) }))),
    )
  } catch (error) {
    throw new SluiceError('SLUICE_CONFIG', `${what} is not a keyring: ${(error as Error).message}`, { cause: error })
  }
}

/**
 * Copies of a key become one that has what is in any of them: another copy may be from before it was revoked or renewed.
 */
export async function joinKeyrings(keyrings: readonly OpenPgpKeyring[]): Promise<OpenPgpKeyring> {
  const joined = new Map<string, PublicKey>()
  for (const key of keyrings.flatMap(publicKeys)) {
    const [fingerprint, copy] = [key.getFingerprint(), key.toPublic()]
    const before = joined.get(fingerprint)
    joined.set(fingerprint, before === undefined ? copy : await before.update(copy))
  }
  return { keys: [...joined.values()] }
}

/** The keys as `readKeyring` takes them, binary. */
export function encodeKeyring(keyring: OpenPgpKeyring): Buffer {
  return Buffer.concat(publicKeys(keyring).map((key) => key.write()))
}

/** A packet has some hundred bytes, and some KiB with certificates or notes; each takes far more memory than it has bytes. */
const MAX_SIGNATURE_BYTES = 64 * 1024

/**
 * Checks `data` against signature packets; each element may be several of them.
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
  const keys = publicKeys(keyring)
  const { createMessage, PacketList, readSignature, Signature, verify } = await openpgp()
  const verdicts: SignatureVerdict[] = []
  let packets = 0
  for (const bytes of signatures) {
    try {
      if (bytes.length > MAX_SIGNATURE_BYTES) throw new Error(`it has ${bytes.length} bytes`)
      const signature = await readSignature({ binarySignature: bytes })
      packets += signature.packets.length
      checkSignatureCount(packets)
      for (const packet of signature.packets) {
        const list = new PacketList<SignaturePacket>()
        list.push(packet)
        const { signatures: results } = await verify({
          message: await createMessage({ binary: data }),
          signature: new Signature(list),
          verificationKeys: [...keys],
          format: 'binary',
          // The clock of who signed may be ahead; GnuPG accepts that. The key must be valid now all the same.
          date: packet.created !== null && packet.created > date ? packet.created : date,
          // A key whose expiry was put off has a newer self-signature than what it signed before; GnuPG accepts that.
          config: { allowInsecureVerificationWithReformattedKeys: true },
        })
        for (const { keyID, verified } of results) verdicts.push(await judge(keyID, verified, keys, date))
      }
    } catch (error) {
      if (error instanceof SluiceError) throw error
      verdicts.push(refused(undefined, error))
    }
  }
  return verdicts
}

async function judge(
  id: KeyID,
  verified: Promise<unknown>,
  keys: readonly PublicKey[],
  date: Date,
): Promise<SignatureVerdict> {
  const key = keys.find((candidate) => candidate.getKeys(id).length > 0)
  const signer = key === undefined ? id.toHex() : key.getFingerprint()
  try {
    if (key === undefined) throw new Error('its key is not in the keyring')
    await verified
    await key.getSigningKey(id, date)
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
