/** meta.json of a repository (repository.md §2.1): a codec of its own, strict as the reference's. */
import { formatError, SluiceError } from '../errors.js'
import { digestLength, type HashAlgorithm } from '../formats/digest.js'
import type { ErofsVersion } from '../formats/erofs/format.js'
import { isRecord, isWellFormed, repeatedKey } from '../formats/json.js'
import { quote } from '../formats/quote.js'
import { verityAlgorithmName } from '../formats/verity/digest.js'

/** Which EROFS images a pull makes: the default one, and further ones. */
export interface ErofsFormats {
  readonly default: ErofsVersion
  /** Ascending; of those in force without `default`, which meta.json may repeat. */
  readonly extra: readonly ErofsVersion[]
}

export interface Metadata {
  readonly version: number
  readonly algorithm: HashAlgorithm
  readonly compatible: readonly string[]
  readonly readOnlyCompatible: readonly string[]
  readonly incompatible: readonly string[]
  /** As written; see `effectiveErofsFormats`. */
  readonly erofsFormats: ErofsFormats | undefined
}

const LAYOUT_VERSION = 1
/** The read-only-compatible flag that goes with EROFS V1 images. */
const V1_EROFS = 'v1_erofs'
const U32_MAX = 0xffff_ffff

const malformed = (message: string, cause?: unknown) =>
  formatError('meta.json', message, cause === undefined ? {} : { cause })

/**
 * The metadata `init` writes.
 *
 * @throws SluiceError `SLUICE_USAGE` for values of other types, which a program without types may give: nothing could open such a
 *   repository again.
 */
export function newMetadata(algorithm: HashAlgorithm, erofsVersion: ErofsVersion): Metadata {
  if (!Object.hasOwn(digestLength, algorithm)) {
    throw new SluiceError('SLUICE_USAGE', `algorithm must be sha256 or sha512, not ${algorithm}`)
  }
  checkErofsVersion(erofsVersion)
  return {
    version: LAYOUT_VERSION,
    algorithm,
    compatible: [],
    readOnlyCompatible: erofsVersion === 1 ? [V1_EROFS] : [],
    incompatible: [],
    erofsFormats: { default: erofsVersion, extra: [] },
  }
}

/** @throws SluiceError `SLUICE_USAGE` */
export function checkErofsVersion(version: ErofsVersion): void {
  if (isErofsVersion(version)) return
  throw new SluiceError('SLUICE_USAGE', `erofsVersion must be 0, 1 or 2, not ${String(version)}`)
}

/** The text of meta.json, byte for byte as the reference writes it. */
export function formatMetadata(metadata: Metadata): string {
  const { erofsFormats } = metadata
  const document = {
    version: metadata.version,
    algorithm: verityAlgorithmName(metadata.algorithm),
    features: {
      compatible: metadata.compatible,
      'read-only-compatible': metadata.readOnlyCompatible,
      incompatible: metadata.incompatible,
    },
    ...(erofsFormats && {
      erofs_formats: {
        default: erofsFormats.default,
        ...(erofsFormats.extra.length > 0 && { extra: erofsFormats.extra }),
      },
    }),
  }
  return `${JSON.stringify(document, undefined, 2)}\n`
}

/** Parses the name of an algorithm, `fsverity-sha512-12`, with the reference's order of checks (§1). */
export function parseAlgorithmName(name: string): HashAlgorithm {
  const rest = /^fsverity-(.*)$/s.exec(name)?.[1]
  if (rest === undefined) throw malformed(`algorithm must start with "fsverity-", got ${quote(name)}`)
  const dash = rest.lastIndexOf('-')
  const bits = rest.slice(dash + 1)
  if (dash < 0 || !/^\+?[0-9]+$/.test(bits) || Number(bits) > 255)
    throw malformed(`invalid block size in ${quote(name)}`)
  if (Number(bits) !== 12) throw malformed(`unsupported block size 2^${bits}: only 12 is`)
  const hash = rest.slice(0, dash)
  if (hash !== 'sha256' && hash !== 'sha512') throw malformed(`unknown hash ${quote(hash)}`)
  return hash
}

const jsonToken = /"(?:[^"\\]|\\.)*"|[^\s{}[\],:"]+/g

/**
 * Parses JSON, refusing what JSON.parse lets pass: a key that stands twice in one object. Numbers with a sign, a fraction or an
 * exponent become strings, since no field here may have one and JSON.parse would not tell `1.0` from `1`, nor `-0` from `0`.
 */
function parseStrictJson(text: string): unknown {
  try {
    JSON.parse(text)
  } catch (error) {
    throw malformed('not JSON', error)
  }
  const twice = repeatedKey(text)
  if (twice !== undefined) throw malformed(`duplicate field ${quote(twice)}`)
  return JSON.parse(
    text.replaceAll(jsonToken, (token) => (/^-|^[0-9].*[.eE]/.test(token) ? JSON.stringify(token) : token)),
  )
}

type JsonObject = Readonly<Record<string, unknown>>

function objectAt(value: unknown, what: string): JsonObject {
  if (!isRecord(value)) throw malformed(`${what} is not an object`)
  if (!Object.keys(value).every(isWellFormed)) throw malformed(`${what} has a key that is not Unicode`)
  return value
}

function unsignedAt(value: unknown, what: string): number {
  if (typeof value !== 'number' || value > U32_MAX) throw malformed(`${what} is not a 32-bit number`)
  return value
}

function flagsAt(features: JsonObject, key: string): string[] {
  const value = key in features ? features[key] : []
  if (!Array.isArray(value) || !value.every((flag) => typeof flag === 'string' && isWellFormed(flag))) {
    throw malformed(`features.${key} is not a list of strings`)
  }
  return value as string[]
}

function erofsVersionAt(value: unknown, what: string): ErofsVersion {
  if (!isErofsVersion(value)) throw malformed(`${what} must be 0, 1 or 2`)
  return value
}

function isErofsVersion(value: unknown): value is ErofsVersion {
  return value === 0 || value === 1 || value === 2
}

function erofsFormatsAt(value: unknown): ErofsFormats {
  const formats = objectAt(value, 'erofs_formats')
  const primary = erofsVersionAt(formats['default'], 'erofs_formats.default')
  const listed = 'extra' in formats ? formats['extra'] : []
  if (!Array.isArray(listed)) throw malformed('erofs_formats.extra is not a list')
  const extra = new Set(listed.map((version) => erofsVersionAt(version, 'erofs_formats.extra')))
  return { default: primary, extra: [...extra].sort((a, b) => a - b) }
}

/**
 * Parses meta.json. A field that is null is none of those that may be absent.
 *
 * @throws SluiceError `SLUICE_FORMAT`; `SLUICE_REPOSITORY` if it asks for what this tool does not know.
 */
export function parseMetadata(bytes: Uint8Array): Metadata {
  const document = objectAt(parseStrictJson(decode(bytes)), 'the document')
  const version = unsignedAt(document['version'], 'version')
  if (typeof document['algorithm'] !== 'string') throw malformed('algorithm is not a string')
  const algorithm = parseAlgorithmName(document['algorithm'])
  const features = 'features' in document ? objectAt(document['features'], 'features') : {}
  const metadata: Metadata = {
    version,
    algorithm,
    compatible: flagsAt(features, 'compatible'),
    readOnlyCompatible: flagsAt(features, 'read-only-compatible'),
    incompatible: flagsAt(features, 'incompatible'),
    erofsFormats: 'erofs_formats' in document ? erofsFormatsAt(document['erofs_formats']) : undefined,
  }
  if (version > LAYOUT_VERSION) {
    throw new SluiceError(
      'SLUICE_REPOSITORY',
      `unsupported repository format version ${version} (this tool supports up to ${LAYOUT_VERSION})`,
    )
  }
  if (metadata.incompatible.length > 0) {
    throw new SluiceError(
      'SLUICE_REPOSITORY',
      `repository requires unknown incompatible features: ${JSON.stringify(metadata.incompatible)}`,
    )
  }
  return metadata
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw malformed('not UTF-8', cause)
  }
}

/** Whether both say the same: an absent field of EROFS formats is one that names V2 alone. */
export function isSameMetadata(one: Metadata, other: Metadata): boolean {
  const textOf = (metadata: Metadata) =>
    formatMetadata({ ...metadata, erofsFormats: metadata.erofsFormats ?? { default: 2, extra: [] } })
  return textOf(one) === textOf(other)
}

/** Read-only-compatible flags this tool does not know: with one, the repository may be read but not written. */
export function unknownReadOnlyFlags(metadata: Metadata): string[] {
  return metadata.readOnlyCompatible.filter((flag) => flag !== V1_EROFS)
}

/** The EROFS versions in force: an absent or plain-V2 field yields to the flag (§2.1), one that repeats V2 does not. */
export function effectiveErofsFormats(metadata: Metadata): ErofsFormats {
  const written = metadata.erofsFormats
  if (written === undefined || (written.default === 2 && written.extra.length === 0)) {
    return { default: metadata.readOnlyCompatible.includes(V1_EROFS) ? 1 : 2, extra: [] }
  }
  return { default: written.default, extra: written.extra.filter((version) => version !== written.default) }
}
