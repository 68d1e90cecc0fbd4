/** A file of results as a page of Markdown with plots. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ioError } from '../../src/errors.js'
import { memoryPlot, sectionPlots, toolNames, type Plot } from './plots.js'
import type { BenchResults } from './results.js'
import { sectionsOf } from './scenarios.js'
import { markdownTable, memoryTable, sectionTable } from './tables.js'

/** The tool whose figures the others are compared with. */
export const REFERENCE = 'cfsctl'

/**
 * Writes `report.md` and the SVGs it shows to `directory`, which is made if missing; files of the same names are replaced.
 *
 * @returns the names of what was written
 * @throws SluiceError of the disk
 */
export function writeReport(results: BenchResults, directory: string, reference: string = REFERENCE): string[] {
  const names = toolNames(results)
  const plots: Plot[] = []
  const show = (plot: Plot): string => {
    plots.push(plot)
    return `![${plot.title}](${plot.file})\n`
  }
  const parts = ['# Bench report\n', hostLines(results)]
  for (const section of sectionsOf(results)) {
    parts.push(`## ${section.title[0].toUpperCase()}${section.title.slice(1)}\n`)
    parts.push(`${markdownTable(sectionTable(section, reference))}\n`)
    parts.push(...sectionPlots(section, reference, names).map(show))
  }
  const memory = memoryTable(results)
  const plot = memoryPlot(results)
  if (memory !== undefined && plot !== undefined) parts.push('## Memory\n', `${markdownTable(memory)}\n`, show(plot))
  const files = [['report.md', parts.join('\n')] as const, ...plots.map(({ file, svg }) => [file, svg] as const)]
  try {
    mkdirSync(directory, { recursive: true })
    for (const [file, content] of files) writeFileSync(join(directory, file), content)
  } catch (error) {
    throw ioError(error, `cannot write the report to ${directory}`)
  }
  return files.map(([file]) => file)
}

function hostLines({ startedAt, host, tools }: BenchResults): string {
  const memory = `${(host.memoryBytes / 2 ** 30).toFixed(1)} GiB of memory`
  return [
    `* ${startedAt}`,
    `* ${host.cpu}, ${host.cores} cores, ${memory}, Linux ${host.kernel}, Node ${host.node}`,
    ...Object.entries(tools).map(([tool, version]) => `* ${tool}: ${version}`),
    '',
  ].join('\n')
}
