/** All scenarios of one command, one after the other. */
import type { Corpus } from '../corpora/corpora.js'
import { installedPeers } from '../peers/index.js'
import type { BenchResults } from '../report/results.js'
import { scenariosOf, type ScenarioLists } from '../scenarios.js'
import { openFileSystem, whyNoFileSystem, type PlaceOptions } from './file-systems.js'
import { describeHost } from './host.js'
import { runScenario } from './run-scenario.js'
import { openSession } from './session.js'

export interface BenchPlan extends Omit<ScenarioLists, 'corpora'> {
  readonly corpora: readonly Corpus[]
  /** Names of peers. */
  readonly tools: readonly string[]
  /** How often each tool has its turn in a scenario; at least 1. */
  readonly runs: number
  readonly warmUp: boolean
  readonly again: boolean
  readonly places: PlaceOptions
}

export interface BenchTalk {
  readonly signal: AbortSignal
  /** A line on what happens. */
  readonly say: (text: string) => void
  /** All results so far, after each scenario: long runs are cut short. */
  readonly onResults: (results: BenchResults) => void
}

/** @throws SLUICE_CANCELLED, SLUICE_FAILED if a tool fails, SLUICE_CORRUPT if two tools disagree about an image. */
export async function runBench(plan: BenchPlan, { signal, say, onResults }: BenchTalk): Promise<BenchResults> {
  const peers = installedPeers(plan.tools, say)
  const { corpora, places, runs, warmUp, again } = plan
  await using session = await openSession(places.here, corpora)
  const results: BenchResults = {
    v: 1,
    startedAt: new Date().toISOString(),
    host: describeHost(),
    tools: {},
    results: [],
  }
  for (const peer of peers) results.tools[peer.name] = await peer.version()
  if (plan.sources.includes('registry')) results.tools['registry'] = session.registryVersion

  for (const fileSystem of plan.fileSystems) {
    const reason = whyNoFileSystem(fileSystem)
    if (reason !== undefined) {
      say(`${fileSystem} is left out: ${reason}`)
      continue
    }
    await using place = await openFileSystem(fileSystem, places)
    const names = corpora.map(({ name }) => name)
    for (const scenario of scenariosOf({ ...plan, corpora: names, fileSystems: [fileSystem] })) {
      const corpus = corpora.find(({ name }) => name === scenario.corpus)!
      const reference = session.reference(scenario.source, corpus)
      const { env, policy } = session
      const run = { scenario, corpus, reference, peers, place, runs, warmUp, again, env, policy, signal, say }
      results.results.push(...(await runScenario(run)))
      onResults(results)
    }
  }
  return results
}
