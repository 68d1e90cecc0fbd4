/**
 * The one error type of Sluice and the closed table of its codes.
 *
 * A code is stable: scripts and callers match it, never the message. The table also gives each family its exit status
 * (the table of docs/errors.md is generated from it).
 */
import { constants } from 'node:os'

/** Exit statuses of the command line. */
export const ExitStatus = {
  ok: 0,
  someFailed: 1,
  usage: 2,
  authentication: 3,
  notFound: 4,
  verification: 5,
  network: 6,
  storage: 7,
  interrupted: 130,
} as const

interface CodeInfo {
  readonly exit: number
  /** One line for the generated table. */
  readonly meaning: string
}

const codes = {
  SLUICE_USAGE: { exit: ExitStatus.usage, meaning: 'the command line or an argument is wrong' },
  SLUICE_CONFIG: { exit: ExitStatus.usage, meaning: 'a configuration file cannot be read or says something unusable' },
  SLUICE_UNSUPPORTED: { exit: ExitStatus.someFailed, meaning: 'the input is valid but this feature is not supported' },
  SLUICE_FAILED: { exit: ExitStatus.someFailed, meaning: 'the operation failed for another reason' },

  SLUICE_AUTH: { exit: ExitStatus.authentication, meaning: 'the registry refused the credentials, or wants some' },

  SLUICE_NOT_FOUND: { exit: ExitStatus.notFound, meaning: 'the image, tag, blob, stream or file does not exist' },

  SLUICE_DIGEST_MISMATCH: {
    exit: ExitStatus.verification,
    meaning: 'content does not have the digest it was asked by',
  },
  SLUICE_SIZE_MISMATCH: {
    exit: ExitStatus.verification,
    meaning: 'content does not have the size its descriptor states',
  },
  SLUICE_FORMAT: { exit: ExitStatus.verification, meaning: 'a document, archive, stream or image is malformed' },
  SLUICE_COMPRESSION: {
    exit: ExitStatus.verification,
    meaning: 'compressed data is corrupt, cut short, or followed by junk',
  },
  SLUICE_POLICY: {
    exit: ExitStatus.verification,
    meaning: 'policy.json or registries.conf forbids this source, or a required signature is not there',
  },
  SLUICE_CORRUPT: { exit: ExitStatus.verification, meaning: 'the repository holds damaged or missing data' },

  SLUICE_NETWORK: { exit: ExitStatus.network, meaning: 'the server cannot be reached, broke off, or stalled' },
  SLUICE_RATE_LIMIT: { exit: ExitStatus.network, meaning: 'the server keeps answering 429' },
  SLUICE_HTTP: { exit: ExitStatus.network, meaning: 'the server answered with an unexpected status or document' },

  SLUICE_IO: { exit: ExitStatus.storage, meaning: 'a file operation failed' },
  SLUICE_NO_SPACE: { exit: ExitStatus.storage, meaning: 'the file system or quota is full' },
  SLUICE_READ_ONLY: { exit: ExitStatus.storage, meaning: 'the repository cannot be written' },
  SLUICE_REPOSITORY: { exit: ExitStatus.storage, meaning: 'the repository is missing, of another kind, or unusable' },
  SLUICE_NATIVE: { exit: ExitStatus.storage, meaning: 'a kernel or C library facility is missing or failed' },

  SLUICE_CANCELLED: { exit: ExitStatus.interrupted, meaning: 'the operation was cancelled' },
} as const satisfies Record<string, CodeInfo>

export type ErrorCode = keyof typeof codes

export const errorCodes: Readonly<Record<ErrorCode, CodeInfo>> = codes

export interface SluiceErrorOptions {
  readonly cause?: unknown
  /** What the person can do about it, as one sentence. */
  readonly hint?: string
  /** Whether the same call may succeed later (network trouble). */
  readonly retryable?: boolean
  /** Plain facts for `--json` and tests: digest, offset, path, status. Never secrets. */
  readonly details?: Readonly<Record<string, string | number | boolean>>
}

/** Every failure that leaves Sluice's API is one of these. */
export class SluiceError extends Error {
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly retryable: boolean
  readonly details: Readonly<Record<string, string | number | boolean>>

  constructor(code: ErrorCode, message: string, options: SluiceErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = code === 'SLUICE_CANCELLED' ? 'AbortError' : 'SluiceError'
    this.code = code
    this.hint = options.hint
    this.retryable = options.retryable ?? false
    this.details = options.details ?? {}
  }

  get exitStatus(): number {
    return codes[this.code].exit
  }
}

/** A malformed document, archive, stream or image; `format` is the name of the format. */
export function formatError(format: string, message: string, options?: SluiceErrorOptions): SluiceError {
  return new SluiceError('SLUICE_FORMAT', `${format}: ${message}`, options)
}

const damage: ReadonlySet<ErrorCode> = new Set(['SLUICE_CORRUPT', 'SLUICE_FORMAT', 'SLUICE_COMPRESSION'])

/** Whether the error says that content is damaged; others, such as a missing permission, say nothing of it. */
export function isDamage(error: unknown): boolean {
  return error instanceof SluiceError && damage.has(error.code)
}

/** Wraps `cause` with where it happened; a `SluiceError` keeps its code, hint and details. */
export function withContext(cause: unknown, where: string): SluiceError {
  if (cause instanceof SluiceError) {
    return new SluiceError(cause.code, `${where}: ${cause.message}`, {
      cause,
      retryable: cause.retryable,
      details: cause.details,
      ...(cause.hint === undefined ? {} : { hint: cause.hint }),
    })
  }
  return ioError(cause, where)
}

/** As `withContext`, unless the message says `name` already; `where` may say more around it. */
export function naming(cause: unknown, name: string, where: string = name): unknown {
  return cause instanceof Error && cause.message.includes(name) ? cause : withContext(cause, where)
}

const noSpace = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])
/** What helps, by errno. */
const remedies: Readonly<Record<string, string>> = {
  ENOSPC: 'free some space and run the same command again; what arrived is kept',
  EDQUOT: 'free some space, or have the quota raised, and run the same command again; what arrived is kept',
  EFBIG: 'files may not become so large here: see "ulimit -f", and what the file system allows',
  EMFILE: 'allow more open files, as by "ulimit -n 4096", and run the same command again',
  ENFILE: 'the whole system has too many files open; run the same command again later',
}
const unnamedErrno = /^(Unknown system error -\d+(: )?|UNKNOWN: unknown error)+/
const readOnly = new Set(['EROFS', 'EACCES', 'EPERM'])

/** The errno name of a Node system error, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const { code, errno }: NodeJS.ErrnoException = error
  // libuv has no name for it: Node's code is `UNKNOWN` or a sentence.
  if (errno === -constants.errno.EDQUOT) return 'EDQUOT'
  return typeof code === 'string' ? code : undefined
}

/** Turns a Node system error into a `SluiceError` of the right family. @param remedy what helps where nothing is known of the errno. */
export function ioError(cause: unknown, where: string, remedy?: string): SluiceError {
  if (cause instanceof SluiceError) return cause
  const errno = errnoOf(cause)
  const said = cause instanceof Error ? cause.message : String(cause)
  const reason = errno === 'EDQUOT' ? said.replace(unnamedErrno, 'EDQUOT: disk quota exceeded') : said
  const message = `${where}: ${reason}`
  const hint = errno === undefined ? undefined : (remedies[errno] ?? remedy)
  return new SluiceError(ioCode(errno), message, { cause, ...(hint !== undefined && { hint }) })
}

function ioCode(errno: string | undefined): ErrorCode {
  if (errno === undefined) return 'SLUICE_FAILED'
  if (noSpace.has(errno)) return 'SLUICE_NO_SPACE'
  if (readOnly.has(errno)) return 'SLUICE_READ_ONLY'
  return errno === 'ENOENT' ? 'SLUICE_NOT_FOUND' : 'SLUICE_IO'
}

/** The error for a cancelled operation; takes over a `SluiceError` that was given as the reason. */
export function cancelled(signal?: AbortSignal): SluiceError {
  if (signal?.reason instanceof SluiceError) return signal.reason
  return new SluiceError('SLUICE_CANCELLED', 'cancelled', { cause: signal?.reason })
}
