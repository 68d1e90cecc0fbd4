/** The few SVG shapes that plots are made of. A plot draws its own background, so that it reads on light and dark pages. */

export const palette = {
  background: '#ffffff',
  border: '#d0d7de',
  text: '#1f2328',
  faint: '#59636e',
  grid: '#e6eaef',
  whisker: '#1f2328',
} as const

/** Told apart by people who confuse red and green, too (after Okabe and Ito). */
const colours = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00', '#8c6d31', '#7f7f7f']

/** The colour of each name, the same in all plots that are given the same names. */
export function colourOf(names: readonly string[], name: string): string {
  return colours[Math.max(names.indexOf(name), 0) % colours.length]
}

const FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', Arial, sans-serif"

export interface TextStyle {
  readonly size?: number
  readonly bold?: boolean
  readonly colour?: string
  readonly anchor?: 'start' | 'middle' | 'end'
  /** Turned to be read from below. */
  readonly upright?: boolean
}

export interface Heading {
  readonly title: string
  readonly subtitle: string
}

/** A document of this size in pixels, with its heading, which is told to those who cannot see it, too. */
export function document(width: number, height: number, { title, subtitle }: Heading, body: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="${FONT}">`,
    `<title>${escape(`${title}: ${subtitle}`)}</title>`,
    `<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8" fill="${palette.background}" stroke="${palette.border}"/>`,
    text(24, 32, title, { size: 17, bold: true }),
    text(24, 53, subtitle, { colour: palette.faint }),
    ...body,
    '</svg>\n',
  ].join('\n')
}

export function text(x: number, y: number, content: string, style: TextStyle = {}): string {
  const { size = 12, bold = false, colour = palette.text, anchor = 'start', upright = false } = style
  const weight = bold ? ' font-weight="600"' : ''
  const turn = upright ? ` transform="rotate(-90 ${round(x)} ${round(y)})"` : ''
  return `<text x="${round(x)}" y="${round(y)}" font-size="${size}"${weight} fill="${colour}" text-anchor="${anchor}"${turn}>${escape(content)}</text>`
}

export function rect(x: number, y: number, width: number, height: number, colour: string): string {
  return `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}" rx="2" fill="${colour}"/>`
}

export function line(x1: number, y1: number, x2: number, y2: number, colour: string, width = 1): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${colour}" stroke-width="${width}"/>`
}

export function polyline(points: readonly (readonly [x: number, y: number])[], colour: string): string {
  const at = points.map(([x, y]) => `${round(x)},${round(y)}`).join(' ')
  return `<polyline points="${at}" fill="none" stroke="${colour}" stroke-width="2" stroke-linejoin="round"/>`
}

export function dot(x: number, y: number, colour: string): string {
  return `<circle cx="${round(x)}" cy="${round(y)}" r="3.5" fill="${colour}" stroke="${palette.background}"/>`
}

/** Ticks from 0 to at least `max`, two to seven, on round numbers. */
export function ticksUpTo(max: number): number[] {
  const top = Math.max(max, 1e-6)
  const power = 10 ** Math.floor(Math.log10(top / 6))
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= (top / 6) * 0.999)!
  return Array.from({ length: Math.ceil((top / step) * 0.999) + 1 }, (_, i) => Number((i * step).toPrecision(6)))
}

/** Cuts what is longer than `length` characters. */
export function shortened(content: string, length: number): string {
  return content.length <= length ? content : `${content.slice(0, length - 1)}…`
}

function escape(content: string): string {
  return content
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll(/[^\t\n\r\x20-\u{10ffff}]/gu, '\u{fffd}')
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
