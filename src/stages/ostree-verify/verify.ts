/**
 * Whether data of an ostree repository (a commit, a summary) carries the signatures that are asked for (ostree.md §3.8).
 *
 * The data is the raw bytes of the object; the signatures are those of its detached metadata.
 */
import { SluiceError } from '../../errors.js'
import type { DetachedSignatures } from './detached-signatures.js'
import { verifyOpenPgp } from './openpgp.js'
import type { OpenPgpKeyring } from './openpgp-keyring.js'
import { verifyByPublicKeys, type TrustedPublicKey } from './public-keys.js'
import { checkSignatureCount, type SignatureKind, type SignatureVerdict } from './verdict.js'

/** Whom to trust: one of these at least. Of what is given here, both must be satisfied. */
export interface TrustedKeys {
  /** A valid OpenPGP signature by one of these is required. */
  readonly gpg?: OpenPgpKeyring
  /** A valid signature by one of these is required, of either kind. */
  readonly sign?: {
    readonly ed25519?: readonly TrustedPublicKey[]
    readonly spki?: readonly TrustedPublicKey[]
  }
}

export interface VerifyInput {
  readonly data: Uint8Array
  readonly signatures: DetachedSignatures
  readonly keys: TrustedKeys
  /** Counts as now; for tests. */
  readonly date?: Date
}

/** A message is for people. */
const MAX_REASONS = 3

/** The verdict on each signature of the kinds that there are keys for. */
export async function verifySignatures({ data, signatures, keys, date }: VerifyInput): Promise<SignatureVerdict[]> {
  const { gpg, sign = {} } = keys
  checkSignatureCount(signatures.gpg.length + signatures.ed25519.length + signatures.spki.length)
  return [
    ...(gpg === undefined ? [] : await verifyOpenPgp(data, signatures.gpg, gpg, date ?? new Date())),
    ...(['ed25519', 'spki'] as const).flatMap((kind) => {
      const trusted = sign[kind]
      return trusted === undefined ? [] : verifyByPublicKeys(kind, data, signatures[kind], trusted)
    }),
  ]
}

/**
 * Gives the valid signatures.
 *
 * @param what is signed, for the message: `commit d536…`.
 * @throws SluiceError `SLUICE_POLICY` if those that `keys` asks for are not among them; `SLUICE_USAGE` for keys of no kind, which
 *   anything would satisfy.
 */
export async function requireSignatures(what: string, input: VerifyInput): Promise<SignatureVerdict[]> {
  const { keys } = input
  if (keys.gpg === undefined && keys.sign === undefined) {
    throw new SluiceError('SLUICE_USAGE', `${what} is to be verified, but the keys are of no kind that can sign it`, {
      hint: 'give "gpg" or "sign", or no keys at all for what need not be signed',
    })
  }
  const verdicts = await verifySignatures(input)
  if (keys.gpg !== undefined) requireOne(what, 'OpenPGP', verdicts, ['gpg'])
  if (keys.sign !== undefined) {
    const kinds = (['ed25519', 'spki'] as const).filter((kind) => keys.sign?.[kind] !== undefined)
    requireOne(what, kinds.join(' or '), verdicts, kinds)
  }
  return verdicts.filter(({ valid }) => valid)
}

function requireOne(
  what: string,
  label: string,
  verdicts: readonly SignatureVerdict[],
  kinds: readonly SignatureKind[],
): void {
  const candidates = verdicts.filter(({ kind }) => kinds.includes(kind))
  if (candidates.some(({ valid }) => valid)) return
  const reasons = candidates
    .slice(0, MAX_REASONS)
    .map(({ signer, reason }) => `${signer ?? 'unknown signer'}: ${reason}`)
  const more = candidates.length - reasons.length
  const why = reasons.length === 0 ? 'it is not signed' : reasons.concat(more > 0 ? `${more} more` : []).join('; ')
  throw new SluiceError('SLUICE_POLICY', `${what} has no valid ${label} signature by a trusted key: ${why}`, {
    hint: 'check that the keys belong to this remote; with the right keys, the data was changed or is not from there',
    details: { signatures: candidates.length },
  })
}
