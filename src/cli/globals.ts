/** Options that every command takes, before or after its name, and the repository they lead to. */
import { InvalidArgumentError, Option, type Command } from 'commander'
import { SluiceError } from '../errors.js'
import type { ErofsVersion, HashAlgorithm, OpenOptions, Repository } from '../index.js'

export interface Globals {
  readonly repo?: string
  readonly user?: boolean
  readonly system?: boolean
  readonly hash?: HashAlgorithm
  readonly erofsVersion?: ErofsVersion
  readonly requireVerity?: boolean
  /** False with `--no-upgrade`. */
  readonly upgrade?: boolean
  readonly insecure?: boolean
  readonly parity?: boolean
  readonly verbose?: number
  readonly quiet?: boolean
}

const erofsVersion = (text: string): ErofsVersion => {
  if (text !== '0' && text !== '1' && text !== '2') throw new InvalidArgumentError('Allowed choices are 0, 1, 2.')
  return Number(text) as ErofsVersion
}

/** The options, new for each command that gets them. */
function options(environment: boolean): Option[] {
  // A variable read on both levels would hide what was said before the command.
  const withVariable = (option: Option, name: string) => (environment ? option.env(name) : option)
  return [
    withVariable(new Option('--repo <path>', 'the repository at this path'), 'SLUICE_REPO'),
    new Option('--user', 'the repository of this user, ~/.var/lib/composefs'),
    new Option('--system', 'the repository of the system, /sysroot/composefs'),
    new Option('--hash <algorithm>', 'the hash the repository must have').choices(['sha256', 'sha512']),
    new Option('--erofs-version <version>', 'EROFS version of new images, for this run: 0, 1 or 2').argParser(
      erofsVersion,
    ),
    new Option('--require-verity', 'fail if the repository does not have fs-verity'),
    new Option('--no-upgrade', 'do not give a repository of an old version its meta.json'),
    new Option('--insecure', 'treat the repository as one without fs-verity; a new one gets none'),
    withVariable(new Option('--parity', "give cfsctl 0.9.4's result where Sluice gives a better one"), 'SLUICE_PARITY'),
    new Option('-v, --verbose', 'tell causes of errors; twice: also where they happened').argParser(
      (_, count: number | undefined) => (count ?? 0) + 1,
    ),
    new Option('-q, --quiet', 'no progress'),
  ]
}

/** Adds the global options; on a subcommand they are accepted, and the help says where they are. */
export function addGlobals(command: Command, shown: boolean): void {
  const taken = new Set(command.options.map((option) => option.long))
  for (const option of options(shown)) {
    if (taken.has(option.long)) continue
    if (!shown) option.hideHelp()
    command.addOption(option)
  }
  if (!shown) command.addHelpText('after', '\nOptions of all commands, such as --repo: sluice --help')
}

/** What was said, the subcommand's own word first. */
export function globalsOf(command: Command): Globals {
  const levels: Command[] = []
  for (let at: Command | null = command; at !== null; at = at.parent) levels.push(at)
  const said: Record<string, unknown> = {}
  for (const level of levels.reverse()) {
    for (const [name, value] of Object.entries(level.opts())) {
      if (value === undefined || level.getOptionValueSource(name) === 'default') continue
      said[name] = value
    }
  }
  const isTyped = (name: string) => levels.some((level) => level.getOptionValueSource(name) === 'cli')
  // A boolean flag takes any text from its variable for true.
  if (['', '0', 'false'].includes(process.env['SLUICE_PARITY'] ?? '') && !isTyped('parity')) delete said['parity']
  // The variable is for where nothing is said.
  if (!isTyped('repo') && (isTyped('user') || isTyped('system') || said['repo'] === '')) delete said['repo']
  return said
}

/** Set where the command runs a second time, in a user namespace whose user 0 is an ordinary user outside. */
export const IN_USER_NAMESPACE = 'SLUICE_IN_USERNS'

/** The path of the repository (repository.md §2.3). */
export function repositoryPath({ repo, user, system }: Globals): string {
  if ([repo !== undefined, user === true, system === true].filter(Boolean).length > 1) {
    throw new SluiceError('SLUICE_USAGE', 'only one of --repo, --user and --system can be given')
  }
  if (repo === '') throw new SluiceError('SLUICE_USAGE', 'the path of the repository is empty')
  if (repo !== undefined) return repo
  const isRoot = process.getuid?.() === 0 && process.env[IN_USER_NAMESPACE] === undefined
  if (system === true || (user !== true && isRoot)) return '/sysroot/composefs'
  const home = process.env['HOME']
  if (home === undefined || home === '') throw new SluiceError('SLUICE_USAGE', 'HOME is not set: give --repo')
  return `${home}/.var/lib/composefs`
}

/** Says why nothing happens. */
export function tellWait(mode: 'shared' | 'exclusive'): void {
  const why = mode === 'shared' ? 'somebody is collecting garbage in it' : 'others have it open'
  process.stderr.write(`waiting for the repository: ${why}\n`)
}

export function openOptions(globals: Globals): OpenOptions {
  return {
    insecure: globals.insecure ?? false,
    requireVerity: globals.requireVerity ?? false,
    upgrade: globals.upgrade ?? true,
    ...(globals.hash && { algorithm: globals.hash }),
    ...(globals.erofsVersion !== undefined && { erofsVersion: globals.erofsVersion }),
    onWait: tellWait,
  }
}

/** Opens the repository of a command, runs `work`, and closes it. */
export async function withRepository<T>(
  command: Command,
  work: (repository: Repository, globals: Globals) => Promise<T> | T,
): Promise<T> {
  const { Repository } = await import('../index/repository.js')
  const globals = globalsOf(command)
  const repository = await Repository.open(repositoryPath(globals), openOptions(globals))
  try {
    return await work(repository, globals)
  } finally {
    repository.close()
  }
}
