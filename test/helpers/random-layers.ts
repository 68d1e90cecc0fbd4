/**
 * Layers of random entries in all the forms that tars write them in: nearly all of them right, so that both tools make
 * an image of most, and now and then something that one of them may refuse.
 */
import type { Random } from '../fuzz/random.js'
import { oddNames } from './odd-names.js'
import { directory, endMarker, entry, magic, pax, type HeaderFields } from './tar-build.js'

const tops = ['usr', 'etc', 'run', 'var', 'a']
const names = ['bin', 'lib', ...oddNames, '\xff\xfe', '.wh', '00', 'ff']
const sizes = [0, 0, 1, 63, 64, 65, 511, 512, 513, 4096, 5000, 70_000]
const targets = [
  '',
  'b',
  '../b',
  '/usr/lib',
  '.',
  '\xff',
  ...[99, 300, 1023, 1024, 1025, 4095, 5000].map((n) => 't'.repeat(n)),
]
const times = ['1.5', '1700000000.123456789', '0', '99999999999', '1.50', '4294967296.9', '1.', '-1', 'soon', '']
const attributes = ['security.capability', 'user.a', 'trusted.overlay.opaque', 'security.selinux', 'x'.repeat(250)]
const values = ['', 'v', '\x01\0\0\x02', 'a=b', 'a\nb', 'y'.repeat(300), 'y'.repeat(4070)]

/** Layers of one image, the lowest first. */
export function randomLayers(random: Random): Buffer[] {
  const tree = new RandomTree(random)
  return Array.from({ length: 1 + random.below(3) }, (_, i) => tree.layer(i === 0))
}

/** Keeps in mind what there should be, so that parents and targets of links exist. */
class RandomTree {
  readonly #random: Random
  readonly #directories = new Set<string>()
  readonly #leaves = new Set<string>()

  constructor(random: Random) {
    this.#random = random
  }

  layer(isFirst: boolean): Buffer {
    const parts = isFirst ? tops.map((name) => this.#top(name)) : []
    for (let count = this.#random.below(40); count > 0; count--) parts.push(...this.#entry())
    if (!this.#random.chance(0.03)) parts.push(endMarker)
    return Buffer.concat(parts)
  }

  #top(name: string): Buffer {
    this.#directories.add(name)
    return directory(`${name}/`)
  }

  #entry(): Buffer[] {
    const random = this.#random
    switch (random.below(12)) {
      case 0:
      case 1:
      case 2:
        return this.#directory()
      case 3:
        return this.#leaf({ flag: '2' }, { link: random.pick(targets) })
      case 4:
        return this.#leaf({
          flag: random.pick(['3', '4']),
          major: this.#octal(random.below(300), 8),
          minor: '0000003\0',
        })
      case 5:
        return this.#leaf({ flag: '6' })
      case 6:
        return this.#hardLink()
      case 7:
        return this.#whiteout()
      default:
        return this.#leaf({ flag: random.pick(['0', '\0', '7']) }, { size: random.pick(sizes) })
    }
  }

  #directory(): Buffer[] {
    const path = this.#random.chance(0.3) ? this.#random.pick([...this.#directories]) : this.#newPath()
    this.#leaves.delete(path)
    this.#directories.add(path)
    return this.#write(`${path}/`, { flag: '5' })
  }

  #leaf(fields: HeaderFields, more: { link?: string; size?: number } = {}): Buffer[] {
    const path = this.#leafPath()
    this.#leaves.add(path)
    return this.#write(path, fields, more)
  }

  #hardLink(): Buffer[] {
    if (this.#leaves.size === 0) return []
    const link = this.#random.pick([...this.#leaves])
    const path = this.#leafPath()
    if (path === link) return []
    this.#leaves.add(path)
    return this.#write(path, { flag: '1' }, { link: this.#decorated(link) })
  }

  #whiteout(): Buffer[] {
    const random = this.#random
    const gone = random.pick([...this.#leaves, ...this.#directories])
    if (random.chance(0.2) && this.#directories.has(gone)) {
      this.#forgetBelow(gone)
      return this.#write(`${gone}/.wh..wh..opq`)
    }
    if (gone === 'usr') return []
    this.#forgetBelow(gone)
    this.#directories.delete(gone)
    this.#leaves.delete(gone)
    return this.#write(gone.replace(/[^/]*$/, '.wh.$&'))
  }

  #forgetBelow(path: string): void {
    for (const set of [this.#directories, this.#leaves]) {
      for (const other of set) if (other.startsWith(`${path}/`)) set.delete(other)
    }
  }

  /** A path without a directory in it: most tools refuse to put a file in its place. */
  #leafPath(): string {
    if (this.#leaves.size > 0 && this.#random.chance(0.2)) return this.#random.pick([...this.#leaves])
    const path = this.#newPath()
    return this.#directories.has(path) ? `${path}/leaf` : path
  }

  #newPath(): string {
    const random = this.#random
    const name = random.chance(0.04) ? 'L'.repeat(random.pick([99, 100, 155, 255])) : random.pick(names)
    return `${random.pick([...this.#directories])}/${name}`
  }

  #decorated(path: string): string {
    return this.#random.pick(['', '', '', './', '/']) + path
  }

  /** The entry, with the headers that come before it. */
  #write(
    path: string,
    fields: HeaderFields = {},
    { link = '', size = 0 }: { link?: string; size?: number } = {},
  ): Buffer[] {
    const random = this.#random
    const name = this.#decorated(path)
    const records: [string, string][] = []
    const before: Buffer[] = []
    const long = (flag: 'L' | 'K', key: string, value: string): void => {
      if (value.length <= 100 && !random.chance(0.03)) return
      if (records.length > 0 || random.chance(0.5)) records.push([key, value])
      else before.push(entry({ name: '././@LongLink', flag, magic: magic.gnu }, `${value}\0`))
    }
    long('K', 'linkpath', link)
    if (before.length === 0) long('L', 'path', name)
    if (before.length === 0 && random.chance(0.2)) records.push(...this.#records())
    const header = {
      name: name.slice(0, 100),
      link: link.slice(0, 100),
      mode: this.#octal(random.pick([0o644, 0o755, 0o4755, 0o1777, 0o100644]), 8),
      uid: this.#octal(random.pick([0, 0, 1000, 65_534, 65_536]), 8),
      gid: this.#octal(random.pick([0, 5]), 8),
      mtime: this.#octal(random.pick([0, 1, 1_700_000_000, 2 ** 32 + 5]), 12),
      size: this.#octal(size, 12),
      magic: random.pick('34'.includes(fields.flag ?? '0') ? [magic.ustar, magic.gnu] : Object.values(magic)),
      ...fields,
    }
    if (records.length > 0) before.push(pax(...records))
    return [...before, entry(header, 'data\n'.repeat(14_000).slice(0, size))]
  }

  #records(): [string, string][] {
    const random = this.#random
    const records = Array.from({ length: random.below(3) }, (): [string, string] => [
      `${random.pick(['SCHILY.xattr.', 'LIBARCHIVE.xattr.'])}${random.pick(attributes)}`,
      random.pick(values),
    ])
    if (random.chance(0.5)) records.push(['mtime', random.pick(random.chance(0.95) ? times.slice(0, 7) : times)])
    if (random.chance(0.3))
      records.push([random.pick(['uid', 'gid']), random.pick(['0', '70000', '4294967295', '007'])])
    if (random.chance(0.3)) records.push([random.pick(['comment', 'atime', 'uname', 'SCHILY.dev']), '1'])
    return records
  }

  /** A number of a header field of `width` bytes in one of the forms that tars have it in. */
  #octal(value: number, width: number): string {
    const digits = value.toString(8)
    const forms = [`${digits.padStart(width - 1, ' ')} `, ` ${digits} `, `${digits}\0`, digits.padStart(width, '0')]
    return this.#random.chance(0.1) ? this.#random.pick(forms) : `${digits.padStart(width - 1, '0')}\0`
  }
}
