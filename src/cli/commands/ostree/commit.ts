import { Command } from 'commander'
import { seconds } from '../../arguments.js'
import { cancelOnSignals } from '../../cancel-on-signals.js'
import { withRepository } from '../../globals.js'
import { print } from '../../output.js'

interface CommitFlags {
  readonly reference?: string
  readonly subject?: string
  readonly timestamp?: bigint
}

export function ostreeCommitCommand(): Command {
  return new Command('commit')
    .argument('<image>', 'id of an image, or refs/NAME')
    .option('--reference <ref>', 'a name for the commit')
    .option('--subject <text>', 'one line about the commit')
    .option('--timestamp <seconds>', 'the time of the commit, in seconds since 1970; default: now', seconds)
    .action(async (image: string, flags: CommitFlags, command: Command) => {
      await withRepository(command, async (repository, { parity = false }) => {
        const { makeOstreeCommit } = await import('../../../index/ostree-export.js')
        const { signal } = cancelOnSignals()
        const { commit, verity, tag } = await makeOstreeCommit(repository, image, { ...flags, parity, signal })
        print(`commit  ${commit}`)
        print(`verity  ${verity}`)
        if (tag !== undefined) print(`tagged  ${tag}`)
      })
    })
}
