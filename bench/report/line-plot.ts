/** Lines over sizes that grow by factors: the x axis is logarithmic, the y axis begins at 0. */
import { colourOf, document, dot, line, palette, polyline, shortened, text, ticksUpTo } from './svg.js'

export interface LinePlot {
  readonly title: string
  readonly subtitle: string
  readonly xLabel: string
  readonly yLabel: string
  /** Points by growing x; x above 0. */
  readonly lines: readonly { readonly name: string; readonly points: readonly (readonly [x: number, y: number])[] }[]
  readonly formatX: (x: number) => string
}

const WIDTH = 840
const HEIGHT = 420
const LEFT = 76
const RIGHT = 36
const BOTTOM = 66
const LEGEND_TOP = 76
const LEGEND_COLUMNS = 3
const LEGEND_STEP = 18

export function linePlot({ title, subtitle, xLabel, yLabel, lines, formatX }: LinePlot): string {
  const names = lines.map(({ name }) => name)
  const top = LEGEND_TOP + LEGEND_STEP * Math.ceil(names.length / LEGEND_COLUMNS) + 10
  const bottom = HEIGHT - BOTTOM
  const xs = [...new Set(lines.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b)
  const ticks = ticksUpTo(Math.max(...lines.flatMap(({ points }) => points.map(([, y]) => y))))
  const xAt = logarithmic(xs[0], xs.at(-1)!, LEFT + 24, WIDTH - RIGHT - 24)
  const yAt = (y: number) => bottom - (y / ticks.at(-1)!) * (bottom - top)
  const body = [
    ...names.flatMap((name, i) => legendEntry(name, i, colourOf(names, name))),
    ...ticks.flatMap((tick) => [
      line(LEFT, yAt(tick), WIDTH - RIGHT, yAt(tick), palette.grid),
      text(LEFT - 8, yAt(tick) + 4, String(tick), { size: 11, colour: palette.faint, anchor: 'end' }),
    ]),
    ...readable(xs, xAt).map((x) =>
      text(xAt(x), bottom + 18, formatX(x), { size: 11, colour: palette.faint, anchor: 'middle' }),
    ),
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 20, xLabel, { colour: palette.faint, anchor: 'middle' }),
    text(26, (top + bottom) / 2, yLabel, { colour: palette.faint, anchor: 'middle', upright: true }),
    ...lines.flatMap(({ name, points }) => {
      const at = points.map(([x, y]) => [xAt(x), yAt(y)] as const)
      const colour = colourOf(names, name)
      return [polyline(at, colour), ...at.map(([x, y]) => dot(x, y, colour))]
    }),
  ]
  return document(WIDTH, HEIGHT, { title, subtitle }, body)
}

function legendEntry(name: string, index: number, colour: string): string[] {
  const x = 24 + (index % LEGEND_COLUMNS) * ((WIDTH - 48) / LEGEND_COLUMNS)
  const y = LEGEND_TOP + LEGEND_STEP * Math.floor(index / LEGEND_COLUMNS)
  return [line(x, y, x + 20, y, colour, 3), text(x + 28, y + 4, shortened(name, 34))]
}

function logarithmic(least: number, greatest: number, from: number, to: number): (x: number) => number {
  const range = Math.log(greatest / least)
  return (x) => (range === 0 ? (from + to) / 2 : from + (Math.log(x / least) / range) * (to - from))
}

/** Those whose labels have room beside the one before. */
function readable(xs: readonly number[], xAt: (x: number) => number): number[] {
  const shown: number[] = []
  for (const x of xs) if (shown.length === 0 || xAt(x) - xAt(shown.at(-1)!) >= 70) shown.push(x)
  return shown
}
