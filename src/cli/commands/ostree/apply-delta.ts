import { Command } from 'commander'
import { cancelOnSignals } from '../../cancel-on-signals.js'
import { withRepository } from '../../globals.js'
import { showOstreePull } from '../../ostree-progress.js'
import { print } from '../../output.js'
import { progressStyle } from '../../progress.js'
import { flagKeys, withTrustOptions, type TrustFlags } from './pull-source.js'

interface ApplyDeltaFlags extends TrustFlags {
  readonly json?: boolean
}

export function ostreeApplyDeltaCommand(): Command {
  const command = new Command('apply-delta').argument(
    '<path>',
    'a static delta: one file, or a superblock (or its directory) with the parts beside it',
  )
  return withTrustOptions(command)
    .option('--json', 'events as JSON lines on standard output; the last one has the result')
    .action(async (path: string, flags: ApplyDeltaFlags, self: Command) => {
      const { json = false } = flags
      await withRepository(self, async (repository, globals) => {
        const { applyDelta } = await import('../../../index/ostree-pull.js')
        const keys = await flagKeys(flags)
        const { signal } = cancelOnSignals()
        const events = applyDelta(repository, path, {
          ...(keys !== undefined && { keys }),
          parity: globals.parity ?? false,
          signal,
        })
        const result = await showOstreePull(events, progressStyle({ quiet: globals.quiet ?? false, json }))
        if (json) return
        const { commit, verity, image, fetched } = result
        print(`commit  ${commit}`)
        print(`verity  ${verity}`)
        print(`image   ${image}`)
        print(`objects ${fetched.metadata} metadata + ${fetched.files} files applied`)
      })
    })
}
