/** The tables of what was measured, on standard output. */
import { print } from '../../src/cli/output.js'
import { printTable } from '../report/print-table.js'
import type { BenchResults } from '../report/results.js'
import { sectionsOf } from '../report/scenarios.js'
import { memoryTable, sectionTable } from '../report/tables.js'
import { REFERENCE } from '../report/write-report.js'

export function printResults(results: BenchResults): void {
  for (const section of sectionsOf(results)) {
    print(section.title)
    printTable(sectionTable(section, REFERENCE))
    print('')
  }
  const memory = memoryTable(results)
  if (memory !== undefined) printTable(memory)
}
