/** Lying bars in groups: one group for each scenario, in it one bar for each tool, with its name and figure beside it. */
import { formatNumber, type Spread } from './statistics.js'
import { colourOf, document, line, palette, rect, shortened, text, ticksUpTo } from './svg.js'

export interface Bar {
  readonly name: string
  readonly value: Spread
  /** Said behind the figure. */
  readonly note?: string
}

export interface BarPlot {
  readonly title: string
  readonly subtitle: string
  readonly unit: string
  readonly groups: readonly { readonly label: string; readonly bars: readonly Bar[] }[]
  /** All names, in the order of their colours. */
  readonly names: readonly string[]
}

const WIDTH = 840
const LEFT = 150
/** Room for the figure of the longest bar and its note. */
const RIGHT = 150
const TOP = 78
const BOTTOM = 54
const BAR = 16
const BAR_STEP = 21
const GROUP_HEAD = 22
const GROUP_GAP = 16

/** The plot as SVG: bars are medians, whiskers go from the least to the greatest. */
export function barPlot({ title, subtitle, unit, groups, names }: BarPlot): string {
  const ticks = ticksUpTo(Math.max(...groups.flatMap(({ bars }) => bars.map(({ value }) => value.max))))
  const scale = (WIDTH - LEFT - RIGHT) / ticks.at(-1)!
  const height = groups.reduce((sum, { bars }) => sum + groupHeight(bars), TOP + BOTTOM)
  const bottom = height - BOTTOM
  const body = [
    ...ticks.flatMap((tick) => axisTick(LEFT + tick * scale, bottom, String(tick))),
    text(LEFT + (WIDTH - LEFT - RIGHT) / 2, height - 16, axisLabel(unit), { colour: palette.faint, anchor: 'middle' }),
  ]
  let top = TOP
  for (const { label, bars } of groups) {
    body.push(text(24, top + 13, label, { size: 13, bold: true }))
    bars.forEach((bar, i) => {
      body.push(...barAt(bar, top + GROUP_HEAD + i * BAR_STEP, scale, colourOf(names, bar.name), unit))
    })
    top += groupHeight(bars)
  }
  return document(WIDTH, height, { title, subtitle }, body)
}

function groupHeight(bars: readonly Bar[]): number {
  return GROUP_HEAD + bars.length * BAR_STEP + GROUP_GAP
}

function axisTick(x: number, bottom: number, label: string): string[] {
  return [
    line(x, TOP - 6, x, bottom, palette.grid),
    text(x, bottom + 16, label, { size: 11, colour: palette.faint, anchor: 'middle' }),
  ]
}

function barAt({ name, value, note = '' }: Bar, top: number, scale: number, colour: string, unit: string): string[] {
  const middle = top + BAR / 2
  const [least, greatest] = [LEFT + value.min * scale, LEFT + value.max * scale]
  const whisker = greatest - least < 2 ? [] : whiskerAt(least, greatest, middle)
  return [
    text(LEFT - 8, middle + 4, shortened(name, 19), { anchor: 'end' }),
    rect(LEFT, top, Math.max(value.median * scale, 1), BAR, colour),
    ...whisker,
    text(greatest + 8, middle + 4, [`${formatNumber(value.median)} ${unit}`, note].filter(Boolean).join('  ')),
  ]
}

function whiskerAt(least: number, greatest: number, y: number): string[] {
  return [
    line(least, y, greatest, y, palette.whisker),
    line(least, y - 3, least, y + 3, palette.whisker),
    line(greatest, y - 3, greatest, y + 3, palette.whisker),
  ]
}

function axisLabel(unit: string): string {
  return unit === 's' ? 'seconds, less is better' : `${unit}, less is better`
}
