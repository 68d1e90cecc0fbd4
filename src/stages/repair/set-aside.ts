/**
 * Damaged files are kept in `.sluice/damaged` of the repository, a place that cfsctl does not look at (tried with 0.9.4), for
 * whoever wants to know what happened to them. Nothing reads or removes them.
 */
import { lstatSync, renameSync } from 'node:fs'
import { errnoOf, ioError } from '../../errors.js'
import { displayByteString, type ByteString } from '../../formats/bytes.js'
import { rawPath } from '../../repository/link-listing.js'
import { makeDirectories } from '../../repository/links.js'
import type { Misfit } from './plan.js'

const DIRECTORY = '.sluice/damaged'

/** So that a number can follow it; names of files have at most 255 bytes. */
const LONGEST_NAME = 240

/** Paths are relative to the repository. */
export interface MovedFile {
  readonly path: string
  readonly to: string
}

/** Moves a file there, an object under its id; undefined if it has vanished. */
export function setAside(root: string, { path, id }: Misfit): MovedFile | undefined {
  const to = freePath(root, id ?? path.slice(path.lastIndexOf('/') + 1, path.lastIndexOf('/') + 1 + LONGEST_NAME))
  const [from, target] = [rawPath(root, path), rawPath(root, to)]
  try {
    makeDirectories(`${root}/${DIRECTORY}`, 0o700)
    renameSync(from, target)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw ioError(error, `cannot move ${displayByteString(path)} to ${DIRECTORY}`)
  }
  return { path: displayByteString(path), to: displayByteString(to) }
}

/** What was set aside before stays. */
function freePath(root: string, name: ByteString): ByteString {
  for (let number = 1; ; number++) {
    const path = `${DIRECTORY}/${name}${number === 1 ? '' : `.${number}`}`
    if (lstatSync(rawPath(root, path), { throwIfNoEntry: false }) === undefined) return path
  }
}
