/** The repository of `sluice pull`: opened, or made when there is none (design.md §3). */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { SluiceError } from '../errors.js'
import { defaults } from '../options.js'
import { initRepository, makeRepositoryDirectory, METADATA_FILE } from '../repository/init.js'
import { Repository, type OpenOptions } from '../repository/repository.js'

export interface InitWhenMissing {
  /** False: a missing repository is an error. */
  readonly init: boolean
  /** Told when a repository is made, and how. */
  readonly onInit?: (made: { readonly path: string; readonly secure: boolean }) => void
}

/** Opens the repository at `path`; a missing one is made secure if the file system has fs-verity, else insecure. */
export async function openOrInit(
  path: string,
  options: OpenOptions,
  { init, onInit }: InitWhenMissing,
): Promise<Repository> {
  if (mayBeThere(join(path, METADATA_FILE)) || mayBeThere(join(path, 'objects'))) return Repository.open(path, options)
  if (!init) {
    throw new SluiceError('SLUICE_REPOSITORY', `there is no repository at ${path}`, {
      hint: 'leave out --no-init to make one',
    })
  }
  makeRepositoryDirectory(path)
  const { probeDirectory } = await import('../native/capabilities.js')
  const secure = options.insecure !== true && probeDirectory(path).verity
  if (!secure && options.requireVerity === true) {
    throw new SluiceError('SLUICE_REPOSITORY', `the file system of ${path} does not support fs-verity`)
  }
  await initRepository(path, {
    algorithm: options.algorithm ?? defaults.algorithm,
    erofsVersion: options.erofsVersion ?? defaults.erofsVersion,
    insecure: !secure,
  })
  onInit?.({ path, secure })
  // One that was just made so need not be asked, which native code would have to do.
  return Repository.open(path, secure ? options : { ...options, insecure: true })
}

/** Whether something is there, or cannot be seen: who opens it is told why. */
function mayBeThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined
  } catch {
    return true
  }
}
