import { Command } from 'commander'
import { withRepository } from '../../globals.js'
import { print, printLines } from '../../output.js'

function treeCommand(name: string): Command {
  return new Command(name).argument('<source>', 'ref, id of a commit, or the beginning of one')
}

export function ostreeDumpCommand(): Command {
  return treeCommand('dump').action(async (source: string, _flags: unknown, command: Command) => {
    await withRepository(command, async (repository, { parity = false }) => {
      const { dumpOstreeCommit } = await import('../../../index/ostree.js')
      await printLines(dumpOstreeCommit(repository, source, { parity }))
    })
  })
}

export function ostreeComputeIdCommand(): Command {
  return treeCommand('compute-id').action(async (source: string, _flags: unknown, command: Command) => {
    await withRepository(command, async (repository, { parity = false }) => {
      const { ostreeImageId } = await import('../../../index/ostree.js')
      print(await ostreeImageId(repository, source, { parity }))
    })
  })
}
