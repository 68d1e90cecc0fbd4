import { Command, Option } from 'commander'
import { defaults } from '../../../options.js'
import { depth } from '../../arguments.js'
import { withEngineOptions } from '../../engine-options.js'
import { withRepository } from '../../globals.js'
import {
  flagKeys,
  pullAccess,
  readPullWords,
  withSummaryOptions,
  withTrustOptions,
  type RemoteFlags,
} from './pull-source.js'
import { runOstreePull, type OstreePullFlags } from './run-pull.js'

interface PullFlags extends OstreePullFlags, RemoteFlags {
  readonly baseName?: string
  readonly delta?: boolean
  readonly depth: number
}

/** Options of both commands. */
function withPullOptions(command: Command): Command {
  command
    .option('--base-name <ref>', 'a ref of this repository, whose objects need not be fetched')
    .addOption(
      new Option('--depth <n>', 'parents of the commit to pull as well, as REF~1, REF~2, …; -1: all there are')
        .default(defaults.ostreeDepth)
        .argParser(depth),
    )
  return withEngineOptions(command)
    .option('--trace <file>', 'write what every thread did and when, for Perfetto or chrome://tracing')
    .option('--json', 'events as JSON lines on standard output; the last one has the result')
}

export function ostreePullLocalCommand(): Command {
  const command = new Command('pull-local')
    .argument('<directory>', 'an ostree repository in any of its modes')
    .argument('<ref>', 'a ref, which becomes a name here, or the id of a commit')
  return withPullOptions(withTrustOptions(command)).action(
    async (path: string, ref: string, flags: PullFlags, self: Command) => {
      await withRepository(self, async (repository, globals) => {
        const { openLocalOstree } = await import('../../../index/ostree-pull.js')
        const keys = await flagKeys(flags)
        const options = {
          ref,
          depth: flags.depth,
          ...(flags.baseName !== undefined && { base: flags.baseName }),
          ...(keys !== undefined && { keys }),
        }
        await runOstreePull(repository, async () => openLocalOstree(path), options, flags, globals)
      })
    },
  )
}

export function ostreePullCommand(): Command {
  const command = new Command('pull')
    .argument(
      '<source>',
      'an ostree repository of mode archive by http or https, or mirrorlist=URL; or the NAME of a remote, or NAME:REF',
    )
    .argument('[ref]', 'a ref, which becomes a name here, or the id of a commit')
    .option('--no-delta', 'fetch objects one by one, even if there are static deltas')
    .option('--no-tls-verify', 'accept any certificate')
  return withPullOptions(withSummaryOptions(command)).action(
    async (source: string, word: string | undefined, flags: PullFlags, self: Command) => {
      const { where, ref } = readPullWords(source, word)
      await withRepository(self, async (repository, globals) => {
        const { openRemoteOstree } = await import('../../../index/ostree-pull.js')
        const access = await pullAccess(repository, where, flags)
        const options = {
          ref,
          depth: flags.depth,
          deltas: flags.delta ?? true,
          ...access.pull,
          ...(flags.baseName !== undefined && { base: flags.baseName }),
        }
        const open = async () => openRemoteOstree(repository, access.url, access.source)
        await runOstreePull(repository, open, options, flags, globals)
      })
    },
  )
}
