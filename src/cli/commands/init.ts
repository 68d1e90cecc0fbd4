import { Argument, Command, Option } from 'commander'
import type { HashAlgorithm } from '../../index.js'
import { SluiceError } from '../../errors.js'
import { defaults } from '../../options.js'
import { globalsOf, repositoryPath, tellWait } from '../globals.js'
import { print } from '../output.js'

interface InitFlags {
  readonly algorithm: string
  readonly insecure?: boolean
  readonly resetMetadata?: boolean
  readonly ensure?: boolean
}

export function initCommand(): Command {
  return new Command('init')
    .addArgument(new Argument('[path]', 'where; default: the repository chosen by --repo, --user or --system'))
    .addOption(
      new Option('--algorithm <name>', 'fs-verity algorithm: fsverity-sha512-12 or fsverity-sha256-12').default(
        `fsverity-${defaults.algorithm}-12`,
      ),
    )
    .option('--insecure', 'without fs-verity')
    .option('--reset-metadata', 'throw away streams, images and metadata of what is there; keep its objects')
    .option('--ensure', 'accept a repository that is there already; upgrade an old one')
    .action(async (path: string | undefined, flags: InitFlags, command: Command) => {
      const { initRepository, parseAlgorithmName } = await import('../../index/repository.js')
      const { verityAlgorithmName } = await import('../../index/values.js')
      const globals = globalsOf(command)
      const target = repositoryPath(path === undefined ? globals : { repo: path })
      const stated = algorithmOf(flags.algorithm, parseAlgorithmName)
      const isExplicit = command.getOptionValueSource('algorithm') === 'cli'
      if (isExplicit && globals.hash !== undefined && globals.hash !== stated) {
        throw new SluiceError(
          'SLUICE_USAGE',
          `--hash ${globals.hash} and --algorithm ${flags.algorithm} contradict each other`,
        )
      }
      const algorithm = globals.hash ?? stated
      const insecure = globals.insecure ?? false
      const result = await initRepository(target, {
        algorithm,
        insecure,
        erofsVersion: globals.erofsVersion ?? defaults.erofsVersion,
        resetMetadata: flags.resetMetadata ?? false,
        ensure: flags.ensure ?? false,
        onWait: tellWait,
      })
      if (result === 'exists') {
        const kept = flags.ensure === true ? ' (existing configuration preserved)' : ''
        print(`Repository already initialized at ${target}${kept}`)
      } else if (result === 'upgraded') {
        print(`Upgraded legacy repository at ${target}`)
      } else {
        print(`Initialized composefs repository at ${target}`)
        print(`  algorithm: ${verityAlgorithmName(algorithm)}`)
        print(`  verity:    ${insecure ? 'not required (insecure)' : 'required'}`)
      }
    })
}

function algorithmOf(name: string, parse: (name: string) => HashAlgorithm): HashAlgorithm {
  try {
    return parse(name)
  } catch (error) {
    throw new SluiceError('SLUICE_USAGE', `unknown algorithm ${name}`, { cause: error })
  }
}
