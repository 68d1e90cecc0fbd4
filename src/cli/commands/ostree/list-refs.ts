import { Command } from 'commander'
import { cancelOnSignals } from '../../cancel-on-signals.js'
import { withRepository } from '../../globals.js'
import { print, printTable } from '../../output.js'
import { flagKeys, withTrustOptions, type TrustFlags } from './pull-source.js'

interface ListRefsFlags extends TrustFlags {
  readonly subset?: string
  readonly tlsVerify?: boolean
}

export function ostreeListRefsCommand(): Command {
  const command = new Command('list-refs').argument(
    '<url>',
    'an ostree repository, by http or https, or mirrorlist=URL; or its directory',
  )
  return withTrustOptions(command, 'the summary')
    .option('--subset <key>', "of a summary that is divided; default: this machine's architecture")
    .option('--no-tls-verify', 'accept any certificate')
    .action(async (url: string, flags: ListRefsFlags, command: Command) => {
      await withRepository(command, async (repository) => {
        const { listOstreeRefs } = await import('../../../index/ostree-remotes.js')
        const summaryKeys = await flagKeys(flags)
        const refs = await listOstreeRefs(repository, url, {
          ...(summaryKeys !== undefined && { summaryKeys }),
          ...(flags.subset !== undefined && { subset: flags.subset }),
          ...(flags.tlsVerify === false && { tlsVerify: false }),
          signal: cancelOnSignals().signal,
        })
        if (refs.length === 0) return print('No refs found')
        return printTable(
          ['REF', 'COMMIT'],
          refs.map(({ name, commit }) => [name, commit]),
        )
      })
    })
}
