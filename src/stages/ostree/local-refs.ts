/** References of a repository in a directory (ostree.md §2.1, §3.2). */
import { join } from 'node:path'
import { errnoOf, ioError, SluiceError } from '../../errors.js'
import { MAX_REF } from '../../formats/ostree/limits.js'
import { isOstreeId, parseOstreeId, type OstreeId } from '../../formats/ostree/ostree-id.js'
import { checkRefName } from '../../formats/ostree/ref-name.js'
import { readLocalFile } from './local-file.js'
import type { LocalRepository } from './local-repository.js'
import type { ResolvedRef } from './source.js'

/** The commit that a ref file names. */
export function readRefFile(path: string): OstreeId {
  return parseRefFile(readLocalFile(path, MAX_REF).toString('utf8'), path)
}

/** What a ref file holds. @param where names it in errors. */
export function parseRefFile(text: string, where: string): OstreeId {
  const id = text.trim()
  if (!isOstreeId(id)) throw new SluiceError('SLUICE_FORMAT', `${where} does not hold a commit id`)
  return parseOstreeId(id)
}

/** Of `heads/BRANCH`, `remotes/NAME/BRANCH` and `mirrors/COLLECTION/BRANCH` what precedes the branch. */
const PLACE = /^(heads|remotes\/[^/]+|mirrors\/[^/]+)\//

/**
 * What a ref names: `refs/NAME`, else `refs/heads/NAME`.
 *
 * @throws SluiceError `SLUICE_NOT_FOUND`, or `SLUICE_USAGE` for a name that could leave the directory.
 */
export function resolveLocalRef({ path }: LocalRepository, name: string): ResolvedRef {
  checkRefName(name)
  for (const folder of ['refs', 'refs/heads']) {
    const file = join(path, folder, name)
    try {
      const commit = readRefFile(file)
      return { commit, branch: folder === 'refs' ? name.replace(PLACE, '') : name }
    } catch (error) {
      const errno = errnoOf(error)
      if (errno !== 'ENOENT' && errno !== 'ENOTDIR' && errno !== 'EISDIR') throw ioError(error, `cannot read ${file}`)
    }
  }
  throw new SluiceError('SLUICE_NOT_FOUND', `${path} has no ref ${name}`)
}
