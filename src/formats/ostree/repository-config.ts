/** The file `config` of an ostree repository (ostree.md §2.1). */
import { SluiceError } from '../../errors.js'
import { parseKeyFile } from './key-file.js'

export const repositoryModes = ['archive', 'bare', 'bare-user', 'bare-user-only', 'bare-split-xattrs'] as const

/** How a repository keeps file objects (§2.2, §2.3). */
export type RepositoryMode = (typeof repositoryModes)[number]

export interface RepositoryConfig {
  readonly mode: RepositoryMode
  /** Path of the repository that has what this one has not. */
  readonly parent?: string
}

function isMode(text: string): text is RepositoryMode {
  return (repositoryModes as readonly string[]).includes(text)
}

/**
 * @param where the path, for messages.
 * @throws SluiceError `SLUICE_CONFIG`: no mode. `SLUICE_UNSUPPORTED`: an unknown one.
 */
export function readRepositoryConfig(text: string, where: string): RepositoryConfig {
  const core = parseKeyFile(text, where).get('core')
  if (core === undefined) throw new SluiceError('SLUICE_CONFIG', `${where}: No [core] section in config`)
  const stated = core.get('mode')
  if (stated === undefined) throw new SluiceError('SLUICE_CONFIG', `${where}: No mode in [core] section in config`)
  const mode = stated === 'archive-z2' ? 'archive' : stated
  if (!isMode(mode)) {
    throw new SluiceError('SLUICE_UNSUPPORTED', `${where}: Unsupported repo mode ${stated.slice(0, 100)}`)
  }
  const parent = core.get('parent')
  return { mode, ...(parent === undefined || parent === '' ? {} : { parent }) }
}

/** The `config` of a new repository. */
export function formatRepositoryConfig(mode: RepositoryMode): string {
  return `[core]\nrepo_version=1\nmode=${mode === 'archive' ? 'archive-z2' : mode}\n`
}
