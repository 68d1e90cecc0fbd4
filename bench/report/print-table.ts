/** Tables on standard output: a line for each row and nothing between them, as they are wide and long. */
import Table from 'cli-table3'
import { print } from '../../src/cli/output.js'
import type { Table as Cells } from './tables.js'

const noLines = Object.fromEntries(
  ['top', 'bottom', 'left', 'right', 'mid'].flatMap((side) =>
    (side === 'left' || side === 'right' ? ['', '-mid'] : ['', '-mid', '-left', '-right']).map((part) => [
      side + part,
      '',
    ]),
  ),
)

/** Columns whose cells are all figures stand to the right. */
export function printTable({ head, rows }: Cells): void {
  const table = new Table({
    head: [...head],
    chars: { ...noLines, middle: '  ' },
    colAligns: head.map((_, i) => (rows.every((row) => /^[\d.,–×() ]*$/.test(row[i])) ? 'right' : 'left')),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  })
  table.push(...rows.map((row) => [...row]))
  print(
    table
      .toString()
      .split('\n')
      .map((line) => line.trimEnd())
      .join('\n'),
  )
}
