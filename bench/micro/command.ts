/** `bench micro`. */
import { tmpdir } from 'node:os'
import { Command, InvalidArgumentError } from 'commander'
import { SluiceError } from '../../src/errors.js'
import { print, printJson } from '../../src/cli/output.js'
import { printTable } from '../report/print-table.js'
import { formatNumber, type Spread } from '../report/statistics.js'
import { decoderBenches } from './decoder-benches.js'
import { measure, type MicroBenchEntry, type MicroResult } from './harness.js'
import { imageBenches } from './image-benches.js'
import { objectBenches } from './object-benches.js'
import { once, sampleTar } from './sample-tar.js'
import { tarBenches } from './tar-benches.js'

interface MicroFlags {
  readonly directory: string
  readonly rounds: number
  readonly roundMs: number
  readonly json?: boolean
  readonly list?: boolean
}

const MIB = 1024 * 1024

/**
 * All of them, in the order in which a layer meets them.
 *
 * @param directory where objects are written
 * @param sampleBytes content of the tar that decoders and splitters get: files up to 1 MiB, half of them below 5 KiB
 */
export function microBenches(directory: string, sampleBytes: number = 24 * MIB): MicroBenchEntry[] {
  const sample = once(() => sampleTar({ contentBytes: sampleBytes, largestFile: MIB }))
  return [...decoderBenches(sample), ...tarBenches(sample, sampleBytes), ...imageBenches, ...objectBenches(directory)]
}

export function microCommand(): Command {
  return new Command('micro')
    .description('each codec by itself, and the object store: medians over CPU time')
    .argument('[words...]', 'only those whose name holds one of the words')
    .option('--directory <path>', 'where objects are written, to choose the file system', tmpdir())
    .option('--rounds <count>', 'how often each is measured', positive, 5)
    .option('--round-ms <milliseconds>', 'CPU time of each round, at least', positive, 300)
    .option('--list', 'only the names')
    .option('--json', 'as JSON')
    .action(async (words: readonly string[], flags: MicroFlags) => {
      const chosen = choose(microBenches(flags.directory), words)
      if (flags.list === true) return print(chosen.map(({ name }) => name).join('\n'))
      const results: MicroResult[] = []
      for (const { name, open } of chosen) {
        const bench = await open()
        if (bench === undefined) process.stderr.write(`${name}: left out, as the library is not usable here\n`)
        else results.push({ name, ...(await measure(bench, flags)) })
      }
      if (flags.json === true) printJson({ v: 1, node: process.version, rounds: flags.rounds, results })
      else printTable({ head: ['bench', 'MB / CPU s', 'min–max', 'CPU µs / item', 'min–max '], rows: results.map(row) })
    })
}

function choose(benches: readonly MicroBenchEntry[], words: readonly string[]): MicroBenchEntry[] {
  const holds = (name: string) => words.some((word) => name.toLowerCase().includes(word.toLowerCase()))
  const chosen = benches.filter(({ name }) => words.length === 0 || holds(name))
  if (chosen.length > 0) return chosen
  throw new SluiceError('SLUICE_USAGE', `no micro bench has ${words.join(' or ')} in its name`, {
    hint: '"bench micro --list" shows all names',
  })
}

function row({ name, megabytesPerCpuSecond: rate, microsecondsPerItem: time }: MicroResult): string[] {
  return [name, ...cells(rate), ...cells(time)]
}

function cells(spread: Spread | undefined): [string, string] {
  if (spread === undefined) return ['', '']
  const { median, min, max } = spread
  return [formatNumber(median), `${formatNumber(min)}–${formatNumber(max)}`]
}

function positive(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('it must be a whole number above 0.')
  return value
}
