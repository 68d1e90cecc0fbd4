/** `bench gc`. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { printJson } from '../../src/cli/output.js'
import { SluiceError } from '../../src/errors.js'
import type { HashAlgorithm } from '../../src/formats/digest.js'
import { projectRoot } from '../../test/helpers/vectors.js'
import { printTable } from '../report/print-table.js'
import { formatNumber } from '../report/statistics.js'
import { measureCommand, type MeasuredRun } from '../run/measure.js'
import { withSignals } from '../run/signals.js'
import { findProgram } from '../support/programs.js'
import { makeSyntheticRepository, type SyntheticRepository } from './synthetic-repository.js'

interface GcBenchFlags {
  readonly objects: number
  readonly directory: string
  readonly algorithm: HashAlgorithm
  readonly json?: boolean
}

export function gcCommand(): Command {
  return new Command('gc')
    .description('a collection in a repository of many objects, every second of which nothing needs')
    .option('--objects <count>', 'how many there are; each takes some 5 KiB of a tmpfs', count, 1_000_000)
    .option('--directory <path>', 'where the repository is made, to choose the file system', tmpdir())
    .addOption(new Option('--algorithm <name>', 'of the repository').choices(['sha256', 'sha512']).default('sha512'))
    .option('--json', 'as JSON')
    .action(async ({ objects, directory, algorithm, json }: GcBenchFlags) => {
      const folder = mkdtempSync(join(directory, 'sluice-bench-gc-'))
      try {
        const repository = join(folder, 'repository')
        process.stderr.write(`making ${objects} objects in ${repository}\n`)
        const made = await makeSyntheticRepository(repository, objects, algorithm)
        const runs = await withSignals((signal) => measureRuns(repository, made, signal))
        if (json === true) printJson({ v: 1, node: process.version, objects, algorithm, runs })
        else printTable({ head: ['run', 'wall s', 'CPU s', 'peak MiB'], rows: runs.map(row) })
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    })
}

type NamedRun = { readonly name: string } & Omit<MeasuredRun, 'stdout'>

/** Dry runs first, also of the reference if it is installed, then the one that can be made only once. */
async function measureRuns(
  repository: string,
  { deadObjects, deadBytes }: SyntheticRepository,
  signal: AbortSignal,
): Promise<NamedRun[]> {
  const sluice = [process.execPath, join(projectRoot, 'bin/sluice.js')]
  const commands: [string, string[]][] = [
    ['sluice gc --dry-run', [...sluice, '--repo', repository, 'gc', '--dry-run']],
    ['sluice gc', [...sluice, '--repo', repository, 'gc']],
  ]
  const cfsctl = findProgram('cfsctl')
  if (cfsctl !== undefined) {
    commands.unshift(['cfsctl gc --dry-run', [cfsctl, '--repo', repository, 'gc', '--dry-run']])
  }
  const runs: NamedRun[] = []
  for (const [name, command] of commands) {
    const { stdout, ...run } = await measureCommand(command, { signal })
    if (!stdout.includes(`Objects: ${deadObjects} removed (${deadBytes} bytes)`)) {
      throw new SluiceError('SLUICE_FAILED', `${name} should remove ${deadObjects} objects but says: ${stdout.trim()}`)
    }
    runs.push({ name, ...run })
  }
  return runs
}

function row({ name, wallSeconds, userSeconds, systemSeconds, peakRssBytes }: NamedRun): string[] {
  const figures = [wallSeconds, userSeconds + systemSeconds, peakRssBytes / 1024 ** 2]
  return [name, ...figures.map(formatNumber)]
}

function count(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 2) throw new InvalidArgumentError('it must be a whole number above 1.')
  return value
}
