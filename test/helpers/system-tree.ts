/** Lists and compares whole directory trees as the kernel shows them. */
import { createHash } from 'node:crypto'
import { lstatSync, readFileSync, readdirSync, readlinkSync, type BigIntStats } from 'node:fs'
import { runOk } from './system-run.js'

/** One line of facts about each path (bytes as latin1, relative, `.` for the top). */
export type TreeListing = Map<string, string>

export interface ListOptions {
  /** Attributes worth listing, by name. */
  readonly xattr?: (name: string) => boolean
  /** Whether times and hard links are listed. */
  readonly timesAndLinks?: boolean
}

const types: Record<number, string> = {
  0o010000: 'fifo',
  0o020000: 'char',
  0o040000: 'directory',
  0o060000: 'block',
  0o100000: 'file',
  0o120000: 'symlink',
}

/** Only capabilities survive in a composefs image by default (oci.md §4.2). */
export const isCapability = (name: string): boolean => name === 'security.capability'

export async function listTree(
  top: string,
  { xattr = isCapability, timesAndLinks = true }: ListOptions = {},
): Promise<TreeListing> {
  const xattrs = await allXattrs(top)
  const stats = new Map<string, BigIntStats>()
  const visit = (path: string): void => {
    const stat = lstatSync(bytePath(top, path), { bigint: true })
    stats.set(path, stat)
    if (!stat.isDirectory()) return
    for (const name of readdirSync(bytePath(top, path), { encoding: 'latin1' }).sort()) {
      visit(path === '.' ? name : `${path}/${name}`)
    }
  }
  visit('.')

  const linkedTo = new Map<bigint, string>()
  const listing: TreeListing = new Map()
  for (const [path, stat] of stats) {
    const type = types[Number(stat.mode) & 0o170000] ?? 'unknown'
    const facts: Record<string, unknown> = {
      type,
      mode: (Number(stat.mode) & 0o7777).toString(8),
      owner: `${stat.uid}:${stat.gid}`,
      ...(timesAndLinks && { mtime: timeText(stat.mtimeNs) }),
    }
    if (type === 'file') {
      facts['size'] = Number(stat.size)
      facts['sha256'] = createHash('sha256')
        .update(readFileSync(bytePath(top, path)))
        .digest('hex')
    }
    if (type === 'symlink') facts['target'] = readlinkSync(bytePath(top, path), { encoding: 'latin1' })
    if (type === 'char' || type === 'block') facts['device'] = Number(stat.rdev)
    if (timesAndLinks && type !== 'directory' && stat.nlink > 1n) {
      facts['links'] = Number(stat.nlink)
      facts['first'] = linkedTo.get(stat.ino) ?? path
      linkedTo.set(stat.ino, String(facts['first']))
    }
    const kept = (xattrs.get(path) ?? []).filter(([name]) => xattr(name))
    kept.sort(([a], [b]) => (a < b ? -1 : 1))
    if (kept.length > 0) facts['xattrs'] = Object.fromEntries(kept)
    listing.set(path, JSON.stringify(facts))
  }
  return listing
}

/**
 * What a composefs image of the unpacked tree must show (oci.md §4.2): the root has the metadata of /usr, /run is empty
 * and has its time. Attributes were filtered when the tree was listed. An image without /usr keeps its root, one with
 * another kind of /run keeps that (§4.0). EROFS V2 drops parts of seconds (erofs.md).
 */
export function composefsView(listing: TreeListing, erofsVersion: number): TreeListing {
  const view = new Map(listing)
  if (erofsVersion === 2) {
    for (const [path, line] of view) view.set(path, line.replace(/("mtime":"-?\d+)\.\d+"/, '$1.000000000"'))
  }
  const [usr, run] = [view.get('usr'), view.get('run')]
  if (usr !== undefined && factsOf(usr)['type'] === 'directory') view.set('.', usr)
  if (run !== undefined && factsOf(run)['type'] === 'directory') {
    for (const path of listing.keys()) if (path.startsWith('run/')) view.delete(path)
    view.set('run', JSON.stringify({ ...factsOf(run), mtime: factsOf(view.get('.') ?? run)['mtime'] }))
  }
  return view
}

/** Differences as text lines, empty if the trees are equal. */
export function compareTrees(actual: TreeListing, expected: TreeListing): string[] {
  const lines: string[] = []
  for (const path of [...new Set([...expected.keys(), ...actual.keys()])].sort()) {
    const [is, wanted] = [actual.get(path), expected.get(path)]
    if (is === wanted) continue
    if (is === undefined) lines.push(`missing: ${path} ${wanted}`)
    else if (wanted === undefined) lines.push(`too much: ${path} ${is}`)
    else lines.push(`different: ${path}\n    is     ${is}\n    wanted ${wanted}`)
  }
  return lines
}

function factsOf(line: string): Record<string, unknown> {
  return JSON.parse(line) as Record<string, unknown>
}

function bytePath(top: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(`${top}/`), Buffer.from(path, 'latin1')])
}

function timeText(nanoseconds: bigint): string {
  const billion = 1_000_000_000n
  const fraction = ((nanoseconds % billion) + billion) % billion
  return `${(nanoseconds - fraction) / billion}.${fraction.toString().padStart(9, '0')}`
}

/** All attributes below `top` in one run of getfattr: path → [name, value as 0xHEX]. */
async function allXattrs(top: string): Promise<Map<string, [string, string][]>> {
  const output = await runOk('getfattr', ['-R', '-P', '-h', '-d', '-m', '-', '-e', 'hex', '--absolute-names', top])
  const found = new Map<string, [string, string][]>()
  for (const block of output.toString('latin1').split('\n\n')) {
    const [header = '', ...lines] = block.split('\n').filter((line) => line !== '')
    const file = unescapeOctal(header.replace(/^# file: /, ''))
    const path = file === top ? '.' : file.slice(top.length + 1)
    const pairs = lines.map((line): [string, string] => {
      const equals = line.indexOf('=')
      return equals < 0 ? [line, '0x'] : [line.slice(0, equals), line.slice(equals + 1)]
    })
    found.set(path, pairs)
  }
  return found
}

/** getfattr writes odd bytes of names as \ooo. */
function unescapeOctal(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}
