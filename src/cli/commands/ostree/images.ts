import { Command } from 'commander'
import type { OstreeCommitDetails } from '../../../index.js'
import { withRepository } from '../../globals.js'
import { print, printTable } from '../../output.js'

export function ostreeImagesCommand(): Command {
  return new Command('images').action(async (_flags: unknown, command: Command) => {
    await withRepository(command, async (repository) => {
      const { listOstreeImages } = await import('../../../index/ostree.js')
      const images = listOstreeImages(repository)
      if (images.length === 0) return print('No ostree commits found')
      return printTable(
        ['NAME', 'COMMIT'],
        images.map(({ name, commit }) => [name, commit]),
      )
    })
  })
}

export function ostreeInspectCommand(): Command {
  return new Command('inspect')
    .argument('<source>', 'ref, id of a commit, or the beginning of one')
    .option('--metadata', 'the metadata of the commit instead, an entry per line')
    .action(async (source: string, flags: { metadata?: boolean }, command: Command) => {
      await withRepository(command, async (repository) => {
        const { inspectOstreeCommit } = await import('../../../index/ostree.js')
        const details = await inspectOstreeCommit(repository, source)
        const lines = flags.metadata === true ? metadataLines(details) : detailLines(details)
        if (lines.length > 0) print(lines.join('\n'))
      })
    })
}

function metadataLines({ metadata }: OstreeCommitDetails): string[] {
  return metadata.map(({ name, text }) => `${name}=${text}`)
}

function detailLines({ commit, parent, timestamp, tree, dirmeta, subject, body }: OstreeCommitDetails): string[] {
  const line = (label: string, value: string) => `${label.padEnd(8)}${value}`
  return [
    line('commit', commit),
    ...(parent === undefined ? [] : [line('parent', parent)]),
    line('date', formatTimestamp(timestamp)),
    line('tree', tree),
    line('dirmeta', dirmeta),
    ...(subject === '' ? [] : ['', subject]),
    ...(body === '' ? [] : ['', body]),
  ]
}

/** The years -262143 to 262142, which the reference's calendar has. */
const FIRST_SECOND = -8_334_601_228_800n
const LAST_SECOND = 8_210_266_876_799n

/** @param timestamp whose bits are those of a signed number. */
function formatTimestamp(timestamp: bigint): string {
  const seconds = BigInt.asIntN(64, timestamp)
  if (seconds < FIRST_SECOND || seconds > LAST_SECOND) return String(timestamp)
  const date = new Date(Number(seconds) * 1000)
  const year = date.getUTCFullYear()
  const [, rest] = /(-\d\d-\d\dT\d\d:\d\d:\d\d)\.000Z$/.exec(date.toISOString())!
  const sign = year < 0 ? '-' : year > 9999 ? '+' : ''
  return `${sign}${String(Math.abs(year)).padStart(4, '0')}${rest.replace('T', ' ')} UTC`
}

export function ostreeTagCommand(): Command {
  return new Command('tag')
    .argument('<source>', 'ref, id of a commit, or the beginning of one')
    .argument('<name>', 'the ref to make or to move')
    .action(async (source: string, name: string, _flags: unknown, command: Command) => {
      await withRepository(command, async (repository) => {
        const { tagOstreeCommit } = await import('../../../index/ostree.js')
        await tagOstreeCommit(repository, source, name)
        print(`Tagged ${source} as ${name}`)
      })
    })
}

export function ostreeUntagCommand(): Command {
  return new Command('untag')
    .argument('<name>', 'the ref')
    .action(async (name: string, _flags: unknown, command: Command) => {
      await withRepository(command, async (repository) => {
        const { untagOstreeCommit } = await import('../../../index/ostree.js')
        untagOstreeCommit(repository, name)
      })
    })
}
