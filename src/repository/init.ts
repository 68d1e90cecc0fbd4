/** Making, recognising, upgrading and resetting a repository (repository.md §2.8). */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { errnoOf, ioError, SluiceError, withContext } from '../errors.js'
import { digestLength, type HashAlgorithm } from '../formats/digest.js'
import { lock, type LockOptions, type OnWait } from '../native/lock.js'
import { readDirectory } from './category.js'
import { makeDirectories, randomSuffix, unlessThere } from './links.js'
import type { ErofsVersion } from '../formats/erofs/format.js'
import { formatMetadata, isSameMetadata, newMetadata, parseMetadata, type Metadata } from './metadata.js'
import { hasVerity, sealMetadata } from './verity-policy.js'

export const METADATA_FILE = 'meta.json'
/** meta.json has some 250 bytes; a file beyond this is none. */
const MAX_METADATA = 1024 * 1024

export interface InitOptions {
  readonly algorithm: HashAlgorithm
  readonly erofsVersion: ErofsVersion
  /** Without fs-verity. */
  readonly insecure: boolean
  /** Throw away streams, images and metadata of what is there, keep its objects. */
  readonly resetMetadata?: boolean
  /** Accept a repository of the same algorithm, whatever its EROFS versions; upgrade an old one. */
  readonly ensure?: boolean
  readonly signal?: AbortSignal
  /** Called before waiting, with `resetMetadata`, for others that have the repository open. */
  readonly onWait?: OnWait
}

export type InitResult = 'created' | 'exists' | 'upgraded'

/** Reads meta.json; undefined if there is none. */
export function loadMetadata(path: string): Metadata | undefined {
  let bytes: Buffer
  try {
    bytes = readMetadataFile(join(path, METADATA_FILE))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw ioError(error, `cannot read the metadata of repository ${path}`)
  }
  try {
    return parseMetadata(bytes)
  } catch (error) {
    throw withContext(error, `repository ${path}`)
  }
}

function readMetadataFile(file: string): Buffer {
  // Whatever lies there must not be waited for, as a pipe would be.
  const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const stats = fstatSync(fd)
    if (!stats.isFile()) throw new SluiceError('SLUICE_REPOSITORY', `${file} is not a regular file`)
    if (stats.size > MAX_METADATA) throw new SluiceError('SLUICE_REPOSITORY', `${file} is far too large`)
    return readFileSync(fd)
  } finally {
    closeSync(fd)
  }
}

/**
 * Makes a repository at `path`, with its parents.
 *
 * @throws SluiceError `SLUICE_REPOSITORY` if another one is there, or fs-verity is wanted and the file system has none.
 */
export async function initRepository(path: string, options: InitOptions): Promise<InitResult> {
  const wanted = newMetadata(options.algorithm, options.erofsVersion)
  makeRepositoryDirectory(path)
  if (options.resetMetadata === true) await resetMetadata(path, options)
  const present = loadMetadata(path)
  if (present !== undefined) return acceptPresent(path, present, wanted, options)
  if (options.ensure === true && existsSync(join(path, 'objects'))) {
    requireAlgorithm(path, upgradeOldRepository(path, options).algorithm, options.algorithm)
    return 'upgraded'
  }
  return writeMetadata(path, wanted, !options.insecure)
    ? 'created'
    : acceptPresent(path, loadMetadata(path)!, wanted, options)
}

/** Makes the directory of a repository, with its parents. */
export function makeRepositoryDirectory(path: string): void {
  try {
    makeDirectories(path, 0o700)
  } catch (cause) {
    const error = ioError(cause, `cannot make repository ${path}`)
    // That a directory could not be made is no news about something that was looked for.
    throw error.code === 'SLUICE_NOT_FOUND' ? new SluiceError('SLUICE_REPOSITORY', error.message, { cause }) : error
  }
}

function acceptPresent(path: string, present: Metadata, wanted: Metadata, options: InitOptions): InitResult {
  if (options.ensure === true) {
    requireAlgorithm(path, present.algorithm, options.algorithm)
    return 'exists'
  }
  if (isSameMetadata(present, wanted)) return 'exists'
  throw new SluiceError(
    'SLUICE_REPOSITORY',
    `repository ${path} exists with another configuration: it has ${JSON.stringify(JSON.parse(formatMetadata(present)))}, ` +
      `wanted is ${JSON.stringify(JSON.parse(formatMetadata(wanted)))}`,
    { hint: 'use --ensure to accept it, or --reset-metadata to begin anew with its objects' },
  )
}

/** @throws SluiceError `SLUICE_REPOSITORY` if it is not the one that is wanted. */
export function requireAlgorithm(path: string, present: HashAlgorithm, wanted: HashAlgorithm | undefined): void {
  if (wanted === undefined || wanted === present) return
  throw new SluiceError('SLUICE_REPOSITORY', `repository ${path} uses ${present}, not ${wanted}`)
}

/** Removes everything but the objects, while nobody else has the repository open. */
async function resetMetadata(path: string, options: LockOptions): Promise<void> {
  let directory: number | undefined
  try {
    directory = openSync(path, 'r')
    await lock(directory, 'exclusive', options)
    for (const name of ['streams', 'images', METADATA_FILE]) rmSync(join(path, name), { recursive: true, force: true })
  } catch (error) {
    throw ioError(error, `cannot reset repository ${path}`)
  } finally {
    if (directory !== undefined) closeSync(directory)
  }
}

/** Writes meta.json so that it is there whole or not at all. False if somebody else has meanwhile made one. */
function writeMetadata(path: string, metadata: Metadata, secure: boolean): boolean {
  const temporary = join(path, `.${METADATA_FILE}-${randomSuffix()}`)
  try {
    const fd = openSync(temporary, 'wx', 0o644)
    try {
      writeSync(fd, formatMetadata(metadata))
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    sealMetadata(temporary, metadata.algorithm, secure)
    return unlessThere(() => linkSync(temporary, join(path, METADATA_FILE)))
  } catch (error) {
    throw withContext(error, `cannot initialise repository ${path}`)
  } finally {
    if (existsSync(temporary)) unlinkSync(temporary)
  }
}

/** What to do where there is no repository; to be copied to a shell. */
export function hintToInit(path: string): string {
  const word = /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
  return `make one with "sluice --repo ${word} init"`
}

/**
 * Gives a repository from before meta.json its metadata: the algorithm by the length of an object's name, secure if
 * that object has fs-verity, EROFS V1 (the observed bytes, §2.8). Where that is not the algorithm that is wanted, it stays as it is.
 */
export function upgradeOldRepository(
  path: string,
  { upgrade = true, algorithm }: { readonly upgrade?: boolean; readonly algorithm?: HashAlgorithm },
): Metadata {
  const hint = hintToInit(path)
  if (!existsSync(join(path, 'objects'))) {
    throw new SluiceError('SLUICE_REPOSITORY', `${path} is not a composefs repository: it must be initialized`, {
      hint,
    })
  }
  if (!upgrade) {
    throw new SluiceError('SLUICE_REPOSITORY', `repository ${path} has no meta.json and may not be upgraded`, {
      hint: 'leave out --no-upgrade',
    })
  }
  const sample = firstObject(path)
  if (sample === undefined) {
    throw new SluiceError(
      'SLUICE_REPOSITORY',
      `repository ${path} has no meta.json, and no object to tell its algorithm`,
      { hint },
    )
  }
  requireAlgorithm(path, sample.algorithm, algorithm)
  const metadata = newMetadata(sample.algorithm, 1)
  return writeMetadata(path, metadata, hasVerity(sample.path)) ? metadata : loadMetadata(path)!
}

function firstObject(path: string): { path: string; algorithm: HashAlgorithm } | undefined {
  for (const { name } of readDirectory(join(path, 'objects'))) {
    const directory = join(path, 'objects', name)
    for (const file of name.length === 2 ? filesIn(directory) : []) {
      for (const algorithm of ['sha256', 'sha512'] as const) {
        if (file.length === 2 * digestLength[algorithm] - 2) return { path: join(directory, file), algorithm }
      }
    }
  }
  return undefined
}

/** Of a directory or a link to one; none of anything else. */
function filesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return []
    throw ioError(error, `cannot list ${directory}`)
  }
}
