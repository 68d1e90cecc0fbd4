/** The tables of a report, as text in cells. */
import type { BenchResults, ScenarioResult } from './results.js'
import { groupBy, memoryResults, toolOf, type Scenario, type Section } from './scenarios.js'
import { formatNumber, formatRatio, ratioOf, spreadOfRuns, type Metric } from './statistics.js'

export interface Table {
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** @param reference name of the tool whose figures are divided by those of each other. */
export function sectionTable({ scenarios }: Section, reference: string): Table {
  return {
    head: ['scenario', 'tool', 'runs', 'wall s', 'min–max', 'as fast', 'CPU s', 'less CPU', 'peak MiB', 'written MiB'],
    rows: scenarios.flatMap((scenario) =>
      scenario.tools.map((result, i) => scenarioRow(scenario, result, i === 0, toolOf(scenario, reference))),
    ),
  }
}

function scenarioRow(
  { label }: Scenario,
  { tool, runs }: ScenarioResult,
  isFirst: boolean,
  reference: ScenarioResult | undefined,
): string[] {
  const wall = spreadOfRuns(runs, 'wall')
  const median = (metric: Metric) => formatNumber(spreadOfRuns(runs, metric).median)
  return [
    isFirst ? label : '',
    tool,
    String(runs.length),
    formatNumber(wall.median),
    `${formatNumber(wall.min)}–${formatNumber(wall.max)}`,
    gain(reference, runs, 'wall'),
    median('cpu'),
    gain(reference, runs, 'cpu'),
    median('memory'),
    median('written'),
  ]
}

function gain(reference: ScenarioResult | undefined, runs: ScenarioResult['runs'], metric: Metric): string {
  const ratio = reference && ratioOf(spreadOfRuns(reference.runs, metric), spreadOfRuns(runs, metric))
  return ratio === undefined ? '' : formatRatio(ratio.median)
}

const MIB = 1024 * 1024

/** Peak memory against the size of the layer; undefined if that was not measured. */
export function memoryTable(results: BenchResults): Table | undefined {
  const measured = memoryResults(results)
  if (measured.length === 0) return undefined
  const rows = memoryLines(measured).flatMap(([label, bySize]) => {
    const smallest = spreadOfRuns(bySize[0].runs, 'memory')
    return bySize.map(({ layerBytes, runs }, i) => {
      const peak = spreadOfRuns(runs, 'memory')
      return [
        i === 0 ? label : '',
        formatNumber(layerBytes! / MIB),
        formatNumber(peak.median),
        `${formatNumber(peak.min)}–${formatNumber(peak.max)}`,
        formatRatio(ratioOf(peak, smallest)?.median ?? 1),
      ]
    })
  })
  return { head: ['tool', 'layer MiB', 'peak MiB', 'min–max', 'of the smallest layer'], rows }
}

/** The results of one setting each, by size, under what tells them from the others: one line of the plot each. */
export function memoryLines(measured: readonly ScenarioResult[]): [string, ScenarioResult[]][] {
  const settings = ({ source, fileSystem, algorithm, cores, kind }: ScenarioResult) =>
    [source, fileSystem, algorithm, `${cores} ${cores === 1 ? 'core' : 'cores'}`, kind] as const
  const varies = (i: number) => new Set(measured.map((result) => settings(result)[i])).size > 1
  const label = (result: ScenarioResult) => [result.tool, ...settings(result).filter((_, i) => varies(i))].join(', ')
  return groupBy(measured, label).map(([text, members]) => [
    text,
    members.sort((a, b) => a.layerBytes! - b.layerBytes!),
  ])
}

export function markdownTable({ head, rows }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n')
}
