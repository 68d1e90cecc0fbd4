/** The ostree repository that a commit is exported to: one that is there, or a new one. */
import { linkSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf, ioError, SluiceError } from '../../errors.js'
import { formatRepositoryConfig, type RepositoryMode } from '../../formats/ostree/repository-config.js'
import { makeDirectories, randomSuffix, unlessThere } from '../../repository/links.js'
import { removeQuietly } from '../../repository/remove-quietly.js'
import { openLocalRepository, type LocalRepository } from '../ostree/local-repository.js'

/** Of a repository as ostree makes it. */
const folders = ['objects', 'tmp', 'extensions', 'state', 'refs', 'refs/heads', 'refs/mirrors', 'refs/remotes']

/**
 * Opens the repository at `path`. With a mode, it is made if nothing is there, and else must be of this mode.
 *
 * @throws SluiceError `SLUICE_NOT_FOUND` if there is none, `SLUICE_USAGE` if it is of another mode.
 */
export function openTarget(path: string, mode: RepositoryMode | undefined): LocalRepository {
  if (isVacant(path)) {
    if (mode === undefined) {
      throw new SluiceError('SLUICE_NOT_FOUND', `there is no ostree repository at ${path}`, {
        hint: 'make one with --mode archive (for web servers) or --mode bare-user, or with "ostree init"',
      })
    }
    makeRepository(path, mode)
  }
  const target = openLocalRepository(path)
  if (mode === undefined || mode === target.mode) return target
  throw new SluiceError('SLUICE_USAGE', `${path} is of mode ${target.mode}, not ${mode}`, {
    hint: 'leave out --mode, which is for new repositories',
  })
}

/** Whether there is nothing, or no more than what the making of a repository left that was broken off. */
function isVacant(path: string): boolean {
  return isUnused(path, '')
}

function isUnused(path: string, folder: string): boolean {
  try {
    const names = readdirSync(join(path, folder)).map((name) => join(folder, name))
    return names.every((name) => folders.includes(name) && (name === 'tmp' || isUnused(path, name)))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return true
    if (errnoOf(error) === 'ENOTDIR') return false
    throw ioError(error, `cannot list ${path}`)
  }
}

function makeRepository(path: string, mode: RepositoryMode): void {
  const config = join(path, 'tmp', `sluice-config-${randomSuffix()}`)
  try {
    for (const folder of folders) makeDirectories(join(path, folder))
    writeFileSync(config, formatRepositoryConfig(mode), { flag: 'wx' })
    // The last and at once, as it is what makes the directory a repository; unless another export has made it meanwhile.
    unlessThere(() => linkSync(config, join(path, 'config')))
  } catch (error) {
    throw ioError(error, `cannot make an ostree repository at ${path}`)
  } finally {
    removeQuietly(config)
  }
}
