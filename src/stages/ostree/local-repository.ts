/** An ostree repository in a directory, in any of the five modes (ostree.md §2). Plain data: threads send it each other. */
import { lstatSync, statSync, type Stats } from 'node:fs'
import { join, resolve } from 'node:path'
import { errnoOf, ioError, SluiceError } from '../../errors.js'
import { MAX_CONFIG } from '../../formats/ostree/limits.js'
import { ostreeObjectPath, type ObjectSuffix } from '../../formats/ostree/object-type.js'
import type { OstreeId } from '../../formats/ostree/ostree-id.js'
import {
  readRepositoryConfig,
  type RepositoryConfig,
  type RepositoryMode,
} from '../../formats/ostree/repository-config.js'
import { redactUrl } from '../../formats/redact.js'
import { readLocalFile } from './local-file.js'

export interface LocalRepository {
  readonly path: string
  readonly mode: RepositoryMode
  /** Where objects are looked for that are not here. */
  readonly parent: LocalRepository | undefined
}

/** The file of an object. */
export interface LocalObject {
  readonly path: string
  /** Of the file itself, not of what it may link to. */
  readonly stats: Stats
  /** Of the repository that it is in, which may be a parent. */
  readonly mode: RepositoryMode
}

/** Repositories above each other; more are a cycle. */
const MAX_PARENTS = 8

/** @throws SluiceError `SLUICE_NOT_FOUND`, `SLUICE_CONFIG` or `SLUICE_UNSUPPORTED` if `path` is not a repository that can be read. */
export function openLocalRepository(path: string, depth = 0): LocalRepository {
  if (depth > MAX_PARENTS) {
    throw new SluiceError('SLUICE_FORMAT', `${path}: there are more than ${MAX_PARENTS} parent repositories`)
  }
  const { mode, parent } = readConfig(path)
  for (const directory of ['objects', 'tmp']) {
    if (statSync(join(path, directory), { throwIfNoEntry: false })?.isDirectory() === true) continue
    throw notARepository(path, `it has no directory ${directory}`)
  }
  return {
    path,
    mode,
    parent: parent === undefined ? undefined : openLocalRepository(resolve(path, parent), depth + 1),
  }
}

function readConfig(path: string): RepositoryConfig {
  try {
    return readRepositoryConfig(readLocalFile(join(path, 'config'), MAX_CONFIG).toString('utf8'), path)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR') throw ioError(error, `cannot read ${path}/config`)
    throw notARepository(path, 'it has no file config', error)
  }
}

function notARepository(path: string, why: string, cause?: unknown): SluiceError {
  if (/^https?:\/\//i.test(path)) {
    // Without the cause: it names the path, which may hold a password.
    return new SluiceError('SLUICE_NOT_FOUND', `${redactUrl(path)} is not an ostree repository: it is a URL`, {
      hint: 'for a URL use "sluice ostree pull"',
    })
  }
  return new SluiceError('SLUICE_NOT_FOUND', `${path} is not an ostree repository: ${why}`, { cause })
}

/**
 * The file of an object, here or in a parent.
 *
 * @param suffix of the object, such as `dirtree`; for content `file`, whatever the mode calls it.
 * @throws SluiceError `SLUICE_NOT_FOUND`
 */
export function findLocalObject(repository: LocalRepository, id: OstreeId, suffix: ObjectSuffix): LocalObject {
  for (let at: LocalRepository | undefined = repository; at !== undefined; at = at.parent) {
    const { mode } = at
    const ending = suffix === 'file' && mode === 'archive' ? 'filez' : suffix
    const path = `${at.path}/${ostreeObjectPath(id, ending)}`
    const stats = statsOf(path)
    if (stats !== undefined) return { path, stats, mode }
  }
  throw new SluiceError('SLUICE_NOT_FOUND', `${repository.path} has no ${suffix} object ${id}`, {
    details: { object: id },
  })
}

function statsOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch (error) {
    throw ioError(error, `cannot look at ${path}`)
  }
}
