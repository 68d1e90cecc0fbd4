/** `bench run` and `bench memory`. */
import { writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { Command, InvalidArgumentError, Option } from 'commander'
import { printJson } from '../../src/cli/output.js'
import { ioError } from '../../src/errors.js'
import { corporaOption } from '../corpora/command.js'
import { buildCorpora, corpusNames, memoryCorpusNames, openCorpus, type Corpus } from '../corpora/corpora.js'
import { peerNames } from '../peers/index.js'
import type { BenchResults } from '../report/results.js'
import { defaultPlaces, fileSystemNames, whyNoFileSystem, type FileSystemName } from './file-systems.js'
import { printResults } from './print-results.js'
import { runBench, type BenchPlan } from './run-bench.js'
import { withSignals } from './signals.js'
import { sourceNames, type SourceName } from './sources.js'

/** What is said on the command line; what is not is decided by `--quick` or its absence. */
interface RunFlags {
  readonly dir: string
  readonly quick?: boolean
  readonly corpus?: string[]
  readonly source?: SourceName[]
  readonly algorithm?: ('sha256' | 'sha512')[]
  readonly fs?: FileSystemName[]
  readonly cores?: number[]
  readonly tools?: string[]
  readonly runs?: number
  readonly warmUp?: boolean
  readonly again?: boolean
  readonly here: string
  readonly images: string
  readonly out?: string
  readonly json?: boolean
}

const say = (text: string) => void process.stderr.write(`${text}\n`)

export function runCommand(): Command {
  const command = new Command('run').description(
    'pull images with each tool in turn, each time into an empty store; lists are separated by commas',
  )
  return withCommonOptions(command)
    .option('--quick', 'less than a minute: the corpus "quick", which is built if missing, and no other tool')
    .addOption(listOption('--corpus <names>', 'images (default: os,node)', corpusNames))
    .addOption(listOption('--source <names>', 'where they come from (default: registry,layout)', sourceNames))
    .option('--again', 'also measure a second pull into the same store')
    .action((flags: RunFlags) => run(flags, planOf(flags)))
}

export function memoryCommand(): Command {
  const command = new Command('memory').description(
    'peak memory of the tools against the size of one gzip layer: 64 MiB, 4 and 16 times that; layers are built if missing',
  )
  return withCommonOptions(command).action(async (flags: RunFlags) => {
    const plan = planOf({
      runs: 3,
      tools: ['sluice', 'cfsctl'],
      source: ['layout'],
      ...flags,
      corpus: memoryCorpusNames,
    })
    await run(flags, plan, (results, corpora) => {
      for (const result of results.results) {
        const corpus = corpora.find(({ name }) => name === result.corpus)!
        result.layerBytes = corpus.layers[0].unpackedSize
      }
    })
  })
}

function withCommonOptions(command: Command): Command {
  return command
    .addOption(corporaOption())
    .addOption(listOption('--algorithm <names>', 'of the repositories (default: sha512)', ['sha256', 'sha512']))
    .addOption(listOption('--fs <names>', 'file systems; xfs and ext4 need root (default: tmpfs)', fileSystemNames))
    .option('--cores <numbers>', 'how many cores the tools may use (default: all)', coresArgument)
    .addOption(listOption('--tools <names>', 'those that are not installed are left out', peerNames))
    .option(
      '--runs <n>',
      'turns of each tool in each scenario (default: 5; with --quick and for memory: 3)',
      countArgument,
    )
    .option('--warm-up', 'a turn of each tool before these that is not counted')
    .option('--here <directory>', 'a folder for temporary files, and for --fs here', defaultPlaces.here)
    .option('--images <directory>', 'a folder for the loop devices of xfs and ext4', defaultPlaces.images)
    .option('--out <file>', 'write the results as JSON, after each scenario')
    .option('--json', 'the results as JSON on standard output, in place of tables')
}

/** @param adapt changes the results before they are shown. */
async function run(
  flags: RunFlags,
  { corpora: names, ...plan }: CommandPlan,
  adapt: (results: BenchResults, corpora: readonly Corpus[]) => void = () => undefined,
): Promise<void> {
  const small = names.filter((name) => name === 'quick' || memoryCorpusNames.includes(name))
  await buildCorpora(flags.dir, small, say)
  const corpora = names.map((name) => openCorpus(flags.dir, name))
  const onResults = (results: BenchResults) => {
    adapt(results, corpora)
    if (flags.out !== undefined) writeResults(flags.out, results)
  }
  const results = await withSignals((signal) => runBench({ ...plan, corpora }, { signal, say, onResults }))
  if (flags.json === true) printJson(results)
  else printResults(results)
}

type CommandPlan = Omit<BenchPlan, 'corpora'> & { readonly corpora: readonly string[] }

function planOf({ quick = false, ...flags }: Omit<RunFlags, 'dir' | 'out' | 'json'>): CommandPlan {
  return {
    corpora: flags.corpus ?? (quick ? ['quick'] : ['os', 'node']),
    sources: flags.source ?? sourceNames,
    algorithms: flags.algorithm ?? ['sha512'],
    fileSystems: flags.fs ?? [whyNoFileSystem('tmpfs') === undefined ? 'tmpfs' : 'here'],
    cores: flags.cores ?? [availableParallelism()],
    tools: flags.tools ?? (quick ? ['sluice', 'floor'] : peerNames),
    runs: flags.runs ?? (quick ? 3 : 5),
    warmUp: flags.warmUp ?? false,
    again: flags.again ?? false,
    places: { here: flags.here, images: flags.images },
  }
}

function writeResults(path: string, results: BenchResults): void {
  try {
    writeFileSync(path, `${JSON.stringify(results, undefined, 2)}\n`)
  } catch (error) {
    throw ioError(error, `cannot write the results to ${path}`)
  }
}

function listOption(flags: string, description: string, choices: readonly string[]): Option {
  return new Option(flags, `${description}; of ${choices.join(', ')}`).argParser((text) => parseList(text, choices))
}

/** @throws InvalidArgumentError for a word that is none of the choices. */
export function parseList(text: string, choices: readonly string[]): string[] {
  const words = text.split(',').map((word) => word.trim())
  const wrong = words.find((word) => !choices.includes(word))
  if (wrong !== undefined) throw new InvalidArgumentError(`"${wrong}" is none of ${choices.join(', ')}.`)
  return [...new Set(words)]
}

function countArgument(text: string): number {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('It must be a whole number above 0.')
  return count
}

function coresArgument(text: string): number[] {
  const numbers = text.split(',').map(countArgument)
  const most = availableParallelism()
  if (numbers.some((cores) => cores > most)) throw new InvalidArgumentError(`There are ${most} cores.`)
  return numbers
}
