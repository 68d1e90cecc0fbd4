/** The plots of a file of results. */
import { barPlot } from './bar-plot.js'
import { linePlot } from './line-plot.js'
import type { BenchResults, ScenarioResult } from './results.js'
import { memoryResults, sectionsOf, toolOf, type Section } from './scenarios.js'
import { formatRatio, metrics, ratioOf, spreadOfRuns } from './statistics.js'
import { memoryLines } from './tables.js'

export interface Plot {
  /** File name, with `.svg`. */
  readonly file: string
  /** What it shows, for those who cannot see it. */
  readonly title: string
  readonly svg: string
}

/** The metrics that get a plot, with what a ratio of 2 to the reference means; none is shown for memory. */
const plotted = { wall: 'twice as fast as', cpu: 'half the CPU time of', memory: undefined } as const
type Plotted = keyof typeof plotted

/** Wall time, CPU time and peak memory of a section. @param names of all tools, so that each keeps its colour. */
export function sectionPlots(section: Section, reference: string, names: readonly string[]): Plot[] {
  return (Object.keys(plotted) as Plotted[]).map((metric) => {
    const { title, unit } = metrics[metric]
    const groups = section.scenarios.map((scenario) => ({
      label: scenario.label,
      bars: scenario.tools.map((result) => bar(result, toolOf(scenario, reference), metric)),
    }))
    return {
      file: `${section.name}-${metric}.svg`,
      title: `${title}, ${section.title}`,
      svg: barPlot({ title, subtitle: subtitle(section, metric, reference), unit, groups, names }),
    }
  })
}

function bar({ tool, runs }: ScenarioResult, reference: ScenarioResult | undefined, metric: Plotted) {
  const value = spreadOfRuns(runs, metric)
  const compared = plotted[metric] !== undefined && reference !== undefined && reference.tool !== tool
  const ratio = compared ? ratioOf(spreadOfRuns(reference.runs, metric), value) : undefined
  return { name: tool, value, ...(ratio && { note: `(${formatRatio(ratio.median)})` }) }
}

function subtitle({ title, scenarios }: Section, metric: Plotted, reference: string): string {
  const runs = Math.min(...scenarios.flatMap(({ tools }) => tools.map((result) => result.runs.length)))
  const compared =
    plotted[metric] !== undefined && scenarios.some((scenario) => toolOf(scenario, reference) !== undefined)
  return [
    title,
    runs === 1 ? 'one run' : `medians of ${runs} runs, whiskers from least to greatest`,
    ...(compared ? [`(2×): ${plotted[metric]} ${reference}`] : []),
  ].join('; ')
}

/** Peak memory against the size of the layer; undefined if that was not measured. */
export function memoryPlot(results: BenchResults): Plot | undefined {
  const measured = memoryResults(results)
  if (measured.length === 0) return undefined
  const title = 'Peak memory against the size of a layer'
  const lines = memoryLines(measured).map(([name, bySize]) => ({
    name,
    points: bySize.map(({ layerBytes, runs }) => [layerBytes!, spreadOfRuns(runs, 'memory').median] as const),
  }))
  const svg = linePlot({
    title,
    subtitle: 'one layer with the same mix of files in each size; medians',
    xLabel: 'uncompressed layer, MiB (each step a factor)',
    yLabel: 'peak memory, MiB',
    lines,
    formatX: (bytes) => String(Number((bytes / 2 ** 20).toPrecision(3))),
  })
  return { file: 'memory-by-layer.svg', title, svg }
}

export function toolNames(results: BenchResults): string[] {
  return [
    ...new Set(
      sectionsOf(results).flatMap(({ scenarios }) => scenarios.flatMap(({ tools }) => tools.map(({ tool }) => tool))),
    ),
  ]
}
