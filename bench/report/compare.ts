/** Two files of results side by side: what became slower or faster. */
import { SluiceError } from '../../src/errors.js'
import type { BenchResults, ScenarioResult } from './results.js'
import { scenarioKey } from './scenarios.js'
import { metricNames, ratioOf, spreadOfRuns, type Metric, type Spread } from './statistics.js'

/** One tool in one scenario of both files; ratios are of the second to the first, so above 1 is worse. */
export interface Comparison {
  readonly scenario: string
  readonly kind: 'first' | 'again'
  readonly tool: string
  /** With the widest range that two single runs give; undefined where the first file has 0. */
  readonly ratios: Readonly<Record<Metric, Spread | undefined>>
}

export interface ComparedResults {
  readonly comparisons: readonly Comparison[]
  /** What only one of the files has. */
  readonly onlyBefore: readonly string[]
  readonly onlyAfter: readonly string[]
}

/** @throws SluiceError `SLUICE_USAGE` if the files have nothing in common. */
export function compareResults(before: BenchResults, after: BenchResults): ComparedResults {
  const old = byKey(before)
  const found = byKey(after)
  const comparisons = [...old].flatMap(([key, first]) => {
    const second = found.get(key)
    return second === undefined ? [] : [compare(first, second)]
  })
  if (comparisons.length === 0) {
    throw new SluiceError('SLUICE_USAGE', 'the two files of bench results have no scenario and tool in common')
  }
  return { comparisons, onlyBefore: missing(old, found), onlyAfter: missing(found, old) }
}

/** Those whose median of `metric` is more than `limit` times what it was. */
export function slower(comparisons: readonly Comparison[], metric: Metric, limit: number): Comparison[] {
  return comparisons.filter(({ ratios }) => (ratios[metric]?.median ?? 0) > limit)
}

function compare(before: ScenarioResult, after: ScenarioResult): Comparison {
  const ratio = (metric: Metric) => ratioOf(spreadOfRuns(after.runs, metric), spreadOfRuns(before.runs, metric))
  const ratios = Object.fromEntries(metricNames.map((metric) => [metric, ratio(metric)])) as Comparison['ratios']
  return { scenario: after.scenario, kind: after.kind, tool: after.tool, ratios }
}

function byKey({ results }: BenchResults): Map<string, ScenarioResult> {
  return new Map(results.map((result) => [`${scenarioKey(result)}|${result.tool}`, result]))
}

function missing(from: ReadonlyMap<string, ScenarioResult>, other: ReadonlyMap<string, ScenarioResult>): string[] {
  return [...from]
    .filter(([key]) => !other.has(key))
    .map(([, { scenario, kind, tool }]) => `${scenario}, ${kind}, ${tool}`)
}
