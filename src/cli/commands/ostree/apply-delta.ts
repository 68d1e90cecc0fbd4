import { Command } from 'commander'
import { cancelOnSignals } from '../../cancel-on-signals.js'
import { withRepository } from '../../globals.js'
import { showOstreePull } from '../../ostree-progress.js'
import { print } from '../../output.js'
import { progressStyle } from '../../progress.js'

export function ostreeApplyDeltaCommand(): Command {
  return new Command('apply-delta')
    .argument('<path>', 'a static delta: one file, or a superblock (or its directory) with the parts beside it')
    .option('--json', 'events as JSON lines on standard output; the last one has the result')
    .action(async (path: string, { json = false }: { readonly json?: boolean }, self: Command) => {
      await withRepository(self, async (repository, globals) => {
        const { applyDelta } = await import('../../../index/ostree-pull.js')
        const { signal } = cancelOnSignals()
        const events = applyDelta(repository, path, { parity: globals.parity ?? false, signal })
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
