import { Command, Option } from 'commander'
import { defaults } from '../../options.js'
import type { LargeObject, RefStats, RepositoryStats } from '../../index.js'
import { positive } from '../arguments.js'
import { withRepository } from '../globals.js'
import { formatSize, print, printJson, printTable } from '../output.js'

interface StatsFlags {
  readonly largest: number
  readonly json?: boolean
}

export function statsCommand(): Command {
  return new Command('stats')
    .addOption(
      new Option('--largest <n>', 'how many of the largest objects to tell')
        .default(defaults.largestObjects)
        .argParser(positive),
    )
    .option('--json', 'as JSON, sizes in bytes')
    .action(async ({ largest, json }: StatsFlags, command: Command) => {
      await withRepository(command, async (repository) => {
        const { measureRepository } = await import('../../index/stats.js')
        const stats = await measureRepository(repository, { largest })
        if (json === true) printJson(withSnakeKeys(stats))
        else await printStats(stats)
      })
    })
}

type Amount = RefStats['files']

const amount = ({ count, bytes }: Amount) => [String(count), formatSize(bytes)]
const kindNames = { oci: '', ostree: 'ostree:', image: 'images/', stream: 'streams/' } as const

async function printStats(stats: RepositoryStats): Promise<void> {
  const { refs, repository, deduplication, largestObjects } = stats
  if (refs.length === 0) print('No images found')
  else {
    await printTable(
      ['NAME', 'LAYERS', 'FILES', 'SIZE', 'UNIQUE', 'SIZE', 'SHARED', 'SIZE', 'FREED'],
      alignRight(refs.map(refRow)),
    )
  }
  const percent = (bytes: number) =>
    deduplication.separateBytes === 0 ? 0 : (100 * bytes) / deduplication.separateBytes
  const saved = (bytes: number) => `${formatSize(bytes)} (${percent(bytes).toFixed(1)} %)`
  const objects = ({ count, bytes }: Amount) => `${count}, ${formatSize(bytes)}`
  print('')
  print(
    [
      ['objects', objects(repository.objects)],
      ['contents of files', objects(repository.files)],
      ['in one image only', objects(repository.uniqueFiles)],
      ['in several images', objects(repository.sharedFiles)],
      ['nothing needs', `${objects(repository.unreferenced)} (gc removes them)`],
      ...(repository.missingObjects > 0 ? [['missing', `${repository.missingObjects} (fsck names them)`]] : []),
      ['images unshared', formatSize(deduplication.separateBytes)],
      ['saved by layers', saved(deduplication.savedByLayersBytes)],
      ['saved by files', saved(deduplication.savedByFilesBytes)],
      ['stored', formatSize(deduplication.storedBytes)],
    ]
      .map(([name, value]) => `${name.padEnd(20)}${value}`)
      .join('\n'),
  )
  if (largestObjects.length === 0) return
  print('')
  await printTable(
    ['SIZE', 'OBJECT', 'KIND', 'IMAGE', 'PATH'],
    alignRight(largestObjects.map(objectRow), (column) => column === 0),
  )
}

function refRow({ name, kind, layers, files, uniqueFiles, sharedFiles, freed }: RefStats): string[] {
  const title = `${kindNames[kind]}${name}`
  return [
    title,
    String(layers),
    ...amount(files),
    ...amount(uniqueFiles),
    ...amount(sharedFiles),
    formatSize(freed.bytes),
  ]
}

function objectRow({ id, bytes, kind, name, path }: LargeObject): string[] {
  return [formatSize(bytes), id.slice(0, 12), kind, name ?? '', path ?? '']
}

/** Cells of the columns padded to one width; by default of all columns but the first. */
function alignRight(rows: readonly string[][], isNumber = (column: number) => column > 0): string[][] {
  const widths = rows.reduce<number[]>((most, row) => row.map((cell, at) => Math.max(most[at] ?? 0, cell.length)), [])
  return rows.map((row) => row.map((cell, column) => (isNumber(column) ? cell.padStart(widths[column]) : cell)))
}

/** `uniqueFiles` becomes `unique_files`, and what is unknown null. */
function withSnakeKeys(value: unknown): unknown {
  if (value === undefined) return null
  if (Array.isArray(value)) return value.map(withSnakeKeys)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      withSnakeKeys(inner),
    ]),
  )
}
