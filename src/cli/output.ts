/** What goes to standard output: text, bytes, JSON, tables. */
import { once } from 'node:events'
import { SluiceError } from '../errors.js'
import { printableLines } from './printable.js'

/** A terminal must not be steered by names and texts that come with images; what reads a pipe or file wants them as they are. */
export function print(text: string): void {
  process.stdout.write(`${process.stdout.isTTY ? printableLines(text) : text}\n`)
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, undefined, 2))
}

/** Writes bytes as they come, no faster than the reader takes them. */
export async function printBytes(pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
  for await (const piece of pieces) {
    if (!process.stdout.write(piece)) await once(process.stdout, 'drain')
  }
}

/** Refuses to pour bytes on a terminal. */
export function refuseTerminal(what: string): void {
  if (!process.stdout.isTTY) return
  throw new SluiceError('SLUICE_USAGE', `will not write ${what} to a terminal`, {
    hint: 'redirect it to a file or a pipe',
  })
}

/** Dumpfile lines, whose characters are bytes. */
export async function printLines(lines: AsyncIterable<string> | Iterable<string>): Promise<void> {
  let batch: string[] = []
  const flush = async () => {
    const bytes = Buffer.from(batch.map((line) => `${line}\n`).join(''), 'latin1')
    batch = []
    await printBytes([bytes])
  }
  for await (const line of lines) {
    batch.push(line)
    if (batch.length === 1000) await flush()
  }
  await flush()
}

const units = ['KiB', 'MiB', 'GiB', 'TiB']

/** `100 B`, `12.75 KiB`: as the reference prints sizes. */
export function formatSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  let value = bytes / 1024
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${value.toFixed(2)} ${units[unit]}`
}

/** Rows that the library lays out at a time: it compares each with all before it, and 10,000 would take half a minute. */
const ROWS_AT_A_TIME = 100

/** The border and the titles. */
const HEAD_LINES = 2

/** A table in the style of the reference (oci.md §5.3). */
export async function printTable(head: readonly string[], rows: readonly (readonly string[])[]): Promise<void> {
  const { default: Table } = await import('cli-table3')
  const layOut = (rows: readonly (readonly string[])[], colWidths: number[] = []): string[] => {
    const table = new Table({
      head: [...head],
      chars: { mid: '╌', 'left-mid': '├', 'mid-mid': '┼', 'right-mid': '┤', middle: '┆' },
      style: { head: [], border: [] },
      colWidths,
    })
    table.push(...rows.map((row) => [...row]))
    return table.toString().split('\n')
  }
  // The border above the table tells how wide the columns of a group are; then all get the greatest width.
  const groups = inGroups(rows)
  const widths = groups.map((group) => layOut(group)[0].slice(1, -1).split('┬'))
  const common = head.map((_, column) => widths.reduce((most, each) => Math.max(most, each[column].length), 0))
  const lines = groups.flatMap((group, at) =>
    layOut(group, common).slice(at === 0 ? 0 : HEAD_LINES, at === groups.length - 1 ? undefined : -1),
  )
  // The line under the head is a double one; the library has one kind for all.
  const doubled: Record<string, string> = { '╌': '═', '├': '╞', '┼': '╪', '┤': '╡' }
  lines[HEAD_LINES] = lines[HEAD_LINES].replaceAll(/./gu, (character) => doubled[character] ?? character)
  print(lines.join('\n'))
}

/** At least one. */
function inGroups<Row>(rows: readonly Row[]): (readonly Row[])[] {
  const count = Math.max(1, Math.ceil(rows.length / ROWS_AT_A_TIME))
  return Array.from({ length: count }, (_, at) => rows.slice(at * ROWS_AT_A_TIME, (at + 1) * ROWS_AT_A_TIME))
}
