/** What is known of a part beside its bytes. Nothing in it is needed: a journal that cannot be read counts as none. */
import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import type { Digest, HashAlgorithm, ObjectId } from '../../formats/digest.js'
import { parseObjectId } from '../../formats/digest.js'
import { createPartFile } from './part-files.js'

/** Says that a server still has the same bytes. */
export interface BlobValidator {
  /** Where the bytes came from, as the source names it. */
  readonly origin: string
  /** A strong entity tag, with its quotes. */
  readonly etag: string
}

/**
 * All of the blob is in objects, and this is the splitstream that names them; only the barrier and the link are missing.
 * The objects may be in the page cache alone, which outlives a killed process and not a crash of the machine.
 */
export interface SealedStream {
  readonly stream: string
  readonly object: ObjectId
}

export interface PartJournal {
  readonly digest: Digest
  /** Bytes of the whole blob. */
  readonly size: number
  readonly validator: BlobValidator | undefined
  readonly sealed: SealedStream | undefined
}

const VERSION = 1

export function writeJournal(path: string, { digest, size, validator, sealed }: PartJournal): void {
  const text = JSON.stringify({
    version: VERSION,
    digest,
    size,
    ...validator,
    ...(sealed && { ...sealed, boot: bootId() }),
  })
  const fd = createPartFile(path)
  try {
    ftruncateSync(fd)
    writeSync(fd, `${text}\n`)
  } finally {
    closeSync(fd)
  }
}

/** What the journal says that still holds. */
export function readJournal(path: string, algorithm: HashAlgorithm): Pick<PartJournal, 'validator' | 'sealed'> {
  try {
    const fields = JSON.parse(readWithoutWaiting(path)) as Record<string, unknown>
    const { version, origin, etag, stream, object, boot } = fields
    if (version !== VERSION) return { validator: undefined, sealed: undefined }
    const isSealed = typeof stream === 'string' && typeof object === 'string' && boot === bootId()
    return {
      validator: typeof origin === 'string' && isEntityTag(etag) ? { origin, etag } : undefined,
      sealed: isSealed ? { stream, object: parseObjectId(algorithm, object) } : undefined,
    }
  } catch {
    return { validator: undefined, sealed: undefined }
  }
}

/** Of a pipe, there is nothing to read. */
function readWithoutWaiting(path: string): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    return readFileSync(fd, 'utf8')
  } finally {
    closeSync(fd)
  }
}

/** It becomes a header of a request. */
function isEntityTag(value: unknown): value is string {
  return typeof value === 'string' && /^"[\x21\x23-\x7e]*"$/.test(value)
}

/** Undefined where the kernel does not tell; then nothing is sealed. */
export function bootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return undefined
  }
}
