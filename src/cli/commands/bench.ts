/** `sluice bench`: hands its words to the bench program, which is a program of its own beside the compiled sources. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { Command } from 'commander'
import { SluiceError } from '../../errors.js'
import { packageFile } from '../package-files.js'

const program = packageFile('dist/bench/main.js')

/** What the bench program has; `sluice bench NAME --help` shows its own help. */
const subcommands: Readonly<Record<string, string>> = {
  corpora: 'build the images that are pulled, of packages of Debian and npm',
  run: 'pull them with each tool in turn; --quick: less than a minute, a small image, no other tool',
  memory: 'peak memory against the size of a layer',
  micro: 'each codec by itself, and the object store',
  gc: 'a collection in a repository of a million objects',
  compare: 'two files of results: what became slower',
  report: 'tables and plots of a file of results',
}

export function benchCommand(): Command {
  const command = new Command('bench').enablePositionalOptions()
  for (const [name, description] of Object.entries(subcommands)) {
    command.addCommand(
      new Command(name)
        .description(description)
        .argument('[args...]', 'words for the bench program; --help shows them')
        .helpOption(false)
        .allowUnknownOption()
        .passThroughOptions()
        .action((words: string[]) => runBench([name, ...words])),
    )
  }
  return command
}

async function runBench(words: readonly string[]): Promise<void> {
  if (!existsSync(program)) {
    throw new SluiceError('SLUICE_UNSUPPORTED', `the bench program is not part of this installation: no ${program}`, {
      hint: 'benches run in a checkout of Sluice, after "npm ci"',
    })
  }
  const child = spawn(process.execPath, [program, ...words], { stdio: 'inherit' })
  // A terminal sends its interrupt to both; the child ends by it, and this process after the child.
  const ignore = () => undefined
  const forward = () => void child.kill('SIGTERM')
  process.on('SIGINT', ignore).on('SIGTERM', forward)
  try {
    const [status, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
    process.exitCode = signal === null ? (status ?? 1) : 128 + constants.signals[signal]
  } finally {
    process.off('SIGINT', ignore).off('SIGTERM', forward)
  }
}
