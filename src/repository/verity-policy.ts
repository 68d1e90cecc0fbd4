/** What a repository asks of fs-verity (repository.md §1.5, §2.2). */
import { constants, copyFileSync, openSync, renameSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { errnoOf, ioError, SluiceError } from '../errors.js'
import type { HashAlgorithm, ObjectId } from '../formats/digest.js'
import { enableVerity, measureVerity, type EnableResult } from '../native/verity.js'
import { closeQuietly } from './close-quietly.js'

/**
 * `required`: a secure repository, nothing is trusted that the kernel does not measure. `attempted`: an insecure one;
 * fs-verity is enabled where the file system has it, and objects are trusted by name. `off`: it turned out to have none.
 */
export type VerityMode = 'required' | 'attempted' | 'off'

export class VerityPolicy {
  readonly #algorithm: HashAlgorithm
  #mode: VerityMode

  constructor(algorithm: HashAlgorithm, mode: 'required' | 'attempted') {
    this.#algorithm = algorithm
    this.#mode = mode
  }

  get mode(): VerityMode {
    return this.#mode
  }

  /**
   * Checks an open object of a secure repository against its name.
   *
   * @throws SluiceError `SLUICE_CORRUPT`
   */
  check(fd: number, id: ObjectId): void {
    if (this.#mode !== 'required') return
    const measured = measureVerity(fd)
    if (typeof measured === 'string') {
      throw new SluiceError('SLUICE_CORRUPT', `object ${id} has no fs-verity in a secure repository (${measured})`, {
        details: { object: id },
      })
    }
    if (measured.id !== id) {
      throw new SluiceError('SLUICE_CORRUPT', `object ${id} measures ${measured.id}`, { details: { object: id } })
    }
  }

  /**
   * Seals a finished file before it gets its name: enables fs-verity and, in a secure repository, has the kernel confirm
   * the digest.
   */
  seal(path: string, id: ObjectId): void {
    if (this.#mode === 'off') return
    const result = sealFile(path, this.#algorithm, (fd) => this.check(fd, id))
    if (this.#mode === 'required') expectSealed(path, result)
    else if (result === 'not-supported') this.#mode = 'off'
  }
}

function expectSealed(path: string, result: EnableResult): void {
  if (result === 'not-supported') throw noVerity(path)
  if (result === 'busy') throw new SluiceError('SLUICE_IO', `cannot enable fs-verity: ${path} stays open for writing`)
}

function noVerity(path: string): SluiceError {
  return new SluiceError('SLUICE_REPOSITORY', `the file system of ${dirname(path)} does not support fs-verity`, {
    hint: 'use --insecure for a repository without it',
  })
}

/**
 * Enables fs-verity on a file that nobody should be writing; one that is still open elsewhere is replaced by a copy.
 *
 * @param check called with the sealed file.
 */
function sealFile(path: string, algorithm: HashAlgorithm, check?: (fd: number) => void): EnableResult {
  const result = enableAt(path, algorithm, check)
  if (result !== 'busy') return result
  // A forked child may hold a descriptor open for writing for a while; its copy has never been open elsewhere.
  const copy = `${path}-copy`
  copyFileSync(path, copy)
  const second = enableAt(copy, algorithm, check)
  renameSync(copy, path)
  return second
}

function enableAt(path: string, algorithm: HashAlgorithm, check?: (fd: number) => void): EnableResult {
  const fd = openSync(path, 'r')
  try {
    const result = enableVerity(fd, algorithm)
    if (result === 'enabled' || result === 'already-enabled') check?.(fd)
    return result
  } finally {
    closeQuietly(fd)
  }
}

/** Seals meta.json, whose fs-verity is what makes a repository secure. */
export function sealMetadata(path: string, algorithm: HashAlgorithm, secure: boolean): void {
  if (secure) expectSealed(path, sealFile(path, algorithm))
}

/** Whether a file has fs-verity; it must exist. */
export function hasVerity(path: string): boolean {
  const fd = openToMeasure(path)
  try {
    const measured = measureVerity(fd)
    if (measured === 'unavailable') {
      throw new SluiceError(
        'SLUICE_NATIVE',
        'cannot tell whether the repository is secure: native code is off or missing',
        {
          hint: 'give --insecure if it is not',
        },
      )
    }
    return typeof measured !== 'string'
  } finally {
    closeQuietly(fd)
  }
}

function openToMeasure(path: string): number {
  try {
    // Not waiting for whatever else may lie there.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    throw ioError(error, `cannot open ${path}`)
  }
}

/** Whether the repository whose metadata is at `path` is a secure one; a missing file is not. */
export function isSecure(path: string): boolean {
  try {
    statSync(path)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw ioError(error, `cannot look at ${path}`)
  }
  return hasVerity(path)
}
