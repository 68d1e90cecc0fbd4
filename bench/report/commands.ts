/** `bench report` and `bench compare`. */
import { Command, InvalidArgumentError, Option } from 'commander'
import { ExitStatus } from '../../src/errors.js'
import { print, printJson } from '../../src/cli/output.js'
import { compareResults, slower, type Comparison } from './compare.js'
import { readResults } from './parse-results.js'
import { printTable } from './print-table.js'
import { sectionsOf } from './scenarios.js'
import { formatRatio, metricNames, metrics, type Metric, type Spread } from './statistics.js'
import { memoryTable, sectionTable } from './tables.js'
import { REFERENCE, writeReport } from './write-report.js'

export function reportCommand(): Command {
  return new Command('report')
    .description('tables on standard output; with --output also a page and plots')
    .argument('<results>', 'file that `bench run --json` or `bench memory --json` wrote')
    .option('-o, --output <directory>', 'write report.md and SVG plots there')
    .option('--reference <tool>', 'what the other tools are compared with', REFERENCE)
    .action((path: string, { output, reference }: { output?: string; reference: string }) => {
      const results = readResults(path)
      for (const section of sectionsOf(results)) {
        print(`${section.title}; "as fast" and "less CPU" are against ${reference}`)
        printTable(sectionTable(section, reference))
        print('')
      }
      const memory = memoryTable(results)
      if (memory !== undefined) {
        print('peak memory against the size of a layer')
        printTable(memory)
      }
      if (output === undefined) return
      const files = writeReport(results, output, reference)
      process.stderr.write(`wrote ${files.length} files to ${output}\n`)
    })
}

interface CompareFlags {
  readonly failAbove?: number
  readonly metric: Metric
  readonly json?: boolean
}

export function compareCommand(): Command {
  return new Command('compare')
    .description('the ratio of two files of results, the second to the first')
    .argument('<before>', 'file of results')
    .argument('<after>', 'file of results')
    .option('--fail-above <ratio>', 'exit with 1 if a median is more than this many times what it was', ratioArgument)
    .addOption(new Option('--metric <name>', 'what --fail-above looks at').choices(metricNames).default('wall'))
    .option('--json', 'as JSON')
    .action((before: string, after: string, { failAbove, metric, json }: CompareFlags) => {
      const compared = compareResults(readResults(before), readResults(after))
      if (json === true) printJson({ v: 1, ...compared })
      else
        printTable({
          head: ['scenario', 'kind', 'tool', ...metricNames],
          rows: compared.comparisons.map(comparisonRow),
        })
      for (const name of compared.onlyBefore) process.stderr.write(`only in ${before}: ${name}\n`)
      for (const name of compared.onlyAfter) process.stderr.write(`only in ${after}: ${name}\n`)
      if (failAbove === undefined) return
      for (const worse of slower(compared.comparisons, metric, failAbove)) {
        const { scenario, kind, tool, ratios } = worse
        const ratio = formatRatio(ratios[metric]!.median)
        process.stderr.write(`${metrics[metric].title} of ${tool}, ${scenario}, ${kind}: ${ratio} of what it was\n`)
        process.exitCode = ExitStatus.someFailed
      }
    })
}

function comparisonRow({ scenario, kind, tool, ratios }: Comparison): string[] {
  return [scenario, kind, tool, ...metricNames.map((metric) => ratioCell(ratios[metric]))]
}

function ratioCell(ratio: Spread | undefined): string {
  if (ratio === undefined) return ''
  const { median, min, max } = ratio
  return `${formatRatio(median)} (${min.toFixed(2)}–${max.toFixed(2)})`
}

function ratioArgument(text: string): number {
  const ratio = Number(text)
  if (!(ratio > 0) || !Number.isFinite(ratio))
    throw new InvalidArgumentError('it must be a number above 0, such as 1.1.')
  return ratio
}
