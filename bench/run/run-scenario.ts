/** One scenario: the tools in turn, again and again, each time into an empty store. */
import { createReadStream, existsSync, mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { SluiceError } from '../../src/errors.js'
import { blobPath, type Corpus } from '../corpora/corpora.js'
import type { Interpreted, Peer, PullTask } from '../peers/peer.js'
import type { Measurement, ScenarioResult } from '../report/results.js'
import { scenarioName, type Scenario } from '../scenarios.js'
import { allocatedBytes } from './disk-usage.js'
import { removeTree, type BenchFolder } from './file-systems.js'
import { measureCommand } from './measure.js'

export interface ScenarioRun {
  readonly scenario: Scenario
  readonly corpus: Corpus
  /** As the tools understand it. */
  readonly reference: string
  readonly peers: readonly Peer[]
  /** An empty folder on the file system of the scenario. */
  readonly place: BenchFolder
  /** How often each tool has its turn. */
  readonly runs: number
  /** Also one turn before these, which is not counted. */
  readonly warmUp: boolean
  /** Also measure a second pull into the same store. */
  readonly again: boolean
  readonly policy: string
  readonly env: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  readonly say: (text: string) => void
}

type Kind = ScenarioResult['kind']

/**
 * @throws SLUICE_FAILED if a composefs tool fails, SLUICE_CORRUPT if two of them do not end with the same image. Another tool
 *   that fails is left out.
 */
export async function runScenario(run: ScenarioRun): Promise<ScenarioResult[]> {
  const turns = new Turns(run)
  await preload(run.corpus)
  if (run.warmUp) for (const peer of turns.peers) await turns.take(peer, 0)
  for (let round = 1; round <= run.runs; round++) for (const peer of turns.peers) await turns.take(peer, round)
  await turns.end()
  return turns.results.list()
}

/** The state of a scenario between the turns of its tools. */
class Turns {
  readonly results: ScenarioResults
  readonly #run: ScenarioRun
  readonly #name: string
  /** Of composefs tools. */
  readonly #imageIds = new Map<string, string>()
  readonly #failed = new Set<Peer>()
  readonly #target: string
  readonly #finished: string

  constructor(run: ScenarioRun) {
    this.#run = run
    this.#name = scenarioName(run.scenario)
    this.results = new ScenarioResults(run.scenario)
    this.#target = join(run.place.path, 'target')
    this.#finished = join(run.place.path, 'finished')
  }

  get peers(): Peer[] {
    const { peers, scenario } = this.#run
    const composefs = peers.some((peer) => peer.composefs)
    return peers.filter((peer) => peer.sources.includes(scenario.source) && (composefs || !peer.copiesFinished))
  }

  /** @param round from 1; a turn in round 0 is not counted. */
  async take(peer: Peer, round: number): Promise<void> {
    if (this.#failed.has(peer)) return
    try {
      await this.#measure(peer, round)
    } catch (error) {
      if (peer.composefs || this.#run.signal.aborted) throw error
      this.#failed.add(peer)
      this.#run.say(
        `${this.#name}: ${peer.name} is left out: ${error instanceof Error ? error.message : String(error)}`,
      )
    }
  }

  async #measure(peer: Peer, round: number): Promise<void> {
    const { runs, say } = this.#run
    await removeTree(this.#target)
    mkdirSync(this.#target)
    const task = taskOf(this.#run, this.#target, this.#finished)
    await peer.prepare?.(task)
    for (const kind of kindsOf(peer, this.#run)) {
      const { measurement, remark } = await measurePull(peer, task, this.#run)
      say(`${this.#name}: ${round}/${runs} ${peer.name}, ${kind}: ${brief(measurement)}${remark && ` (${remark})`}`)
      if (round > 0) this.results.add(peer.name, kind, measurement)
    }
    await this.#checkImage(peer, task)
    if (peer.composefs && !existsSync(this.#finished)) renameSync(this.#target, this.#finished)
  }

  /** Once for each tool: it takes its time. */
  async #checkImage(peer: Peer, task: PullTask): Promise<void> {
    if (peer.imageId === undefined || this.#imageIds.has(peer.name)) return
    this.#imageIds.set(peer.name, await peer.imageId(task))
    if (new Set(this.#imageIds.values()).size === 1) return
    const list = [...this.#imageIds].map(([tool, id]) => `${tool} ${id}`).join(', ')
    throw new SluiceError('SLUICE_CORRUPT', `${this.#name}: the tools made different images: ${list}`)
  }

  async end(): Promise<void> {
    for (const folder of [this.#target, this.#finished]) await removeTree(folder)
  }
}

function kindsOf(peer: Peer, { again }: ScenarioRun): Kind[] {
  return again && peer.again ? ['first', 'again'] : ['first']
}

function taskOf({ corpus, scenario, reference, policy, env }: ScenarioRun, target: string, finished: string): PullTask {
  const { source, algorithm, cores } = scenario
  return { corpus, source, algorithm, cores, reference, policy, env, target, finished }
}

async function measurePull(peer: Peer, task: PullTask, { place, signal }: ScenarioRun): Promise<Interpreted> {
  await place.settle()
  const before = allocatedBytes(task.target)
  const { stdout, ...rest } = await measureCommand(peer.command(task), { env: task.env, cores: task.cores, signal })
  const measurement = { ...rest, writtenBytes: Math.max(0, allocatedBytes(task.target) - before) }
  return peer.interpret?.(measurement, stdout, task) ?? { measurement, remark: '' }
}

/** Reads the blobs once, so that no run reads them from the disk. */
async function preload({ layout, layers }: Corpus): Promise<void> {
  for (const { digest } of layers) {
    for await (const chunk of createReadStream(blobPath(layout, digest))) void chunk
  }
}

function brief({ wallSeconds, userSeconds, systemSeconds, peakRssBytes }: Measurement): string {
  const cpu = (userSeconds + systemSeconds).toFixed(2)
  return `${wallSeconds.toFixed(2)} s, CPU ${cpu} s, ${Math.round(peakRssBytes / 1024 ** 2)} MiB`
}

/** What was measured, by tool and kind, in the order in which it came first. */
class ScenarioResults {
  readonly #byKey = new Map<string, ScenarioResult>()
  readonly #scenario: Scenario

  constructor(scenario: Scenario) {
    this.#scenario = scenario
  }

  add(tool: string, kind: Kind, measurement: Measurement): void {
    const key = `${kind} ${tool}`
    const known = this.#byKey.get(key)
    if (known !== undefined) known.runs.push(measurement)
    else
      this.#byKey.set(key, {
        scenario: scenarioName(this.#scenario),
        ...this.#scenario,
        tool,
        kind,
        runs: [measurement],
      })
  }

  list(): ScenarioResult[] {
    return [...this.#byKey.values()].sort((a, b) => Number(a.kind === 'again') - Number(b.kind === 'again'))
  }
}
