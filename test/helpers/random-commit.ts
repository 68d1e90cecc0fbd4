/** Random trees as objects of an archive repository: whatever ostree can hold. */
import type { Ownership } from '../../src/formats/ostree/dirmeta.js'
import type { DirtreeDirectory, DirtreeFile } from '../../src/formats/ostree/dirtree.js'
import type { OstreeId } from '../../src/formats/ostree/ostree-id.js'
import { sortXattrs, type OstreeXattrs } from '../../src/formats/ostree/xattrs.js'
import { S_IFDIR, S_IFLNK, S_IFREG } from '../../src/formats/tree/tree.js'
import type { Random } from '../fuzz/random.js'
import { oddNames } from './odd-names.js'
import type { ArchiveWriter } from './ostree-archive.js'

const names = ['usr', 'etc', ...oddNames, '.wh.a', '\u{1f642}', 'L'.repeat(255)]
/** Around the limits for inline content (§3.4), of a block, and of a level of a hash tree. */
const sizes = [0, 0, 1, 63, 64, 65, 511, 4095, 4096, 4097, 70_000, 262_144, 262_145, 600_000]
const ids = [0, 0, 0, 1000, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1]
const modes = [0o644, 0o755, 0, 0o7777, 0o4755, 0o1777]
const targets = ['b', '../b', '/usr/lib', '.', 'é', 't'.repeat(99), 't'.repeat(1023), 't'.repeat(1024)]
const attributes = [
  'user.a',
  'user.b',
  'security.selinux',
  'security.capability',
  'system.posix_acl_access',
  'system.posix_acl_default',
  'trusted.overlay.opaque',
  'trusted.overlay.redirect',
  'trusted.a',
  'lustre.a',
  'other',
  `user.${'x'.repeat(200)}`,
]
const values = ['', 'v', 'y', '\x01\0\0\x02', 'a=b', 'a\nb', 'z'.repeat(300), 'label\0']
/** Directories inside one another, and entries of each. */
const MOST_DEPTH = 4
const MOST_ENTRIES = 12

/** Writes a tree; gives its root. */
export function writeRandomTree(archive: ArchiveWriter, random: Random): { tree: OstreeId; meta: OstreeId } {
  return new RandomTree(archive, random).directory(0)
}

class RandomTree {
  readonly #archive: ArchiveWriter
  readonly #random: Random
  /** Those that there are, to be used again. */
  readonly #files: OstreeId[] = []
  readonly #directories: { tree: OstreeId; meta: OstreeId }[] = []

  constructor(archive: ArchiveWriter, random: Random) {
    this.#archive = archive
    this.#random = random
  }

  directory(depth: number): { tree: OstreeId; meta: OstreeId } {
    const files: DirtreeFile[] = []
    const directories: DirtreeDirectory[] = []
    const free = new Set(names)
    for (let count = this.#random.below(MOST_ENTRIES); count > 0 && free.size > 0; count--) {
      const name = this.#random.pick([...free])
      free.delete(name)
      if (depth < MOST_DEPTH && this.#random.chance(0.3)) directories.push({ name, ...this.#below(depth) })
      else files.push({ name, id: this.#file() })
    }
    const meta = this.#archive.dirmeta(this.#ownership(S_IFDIR))
    const directory = { tree: this.#archive.dirtree({ files, directories }), meta }
    this.#directories.push(directory)
    return directory
  }

  /** Now and then one that stands elsewhere, too. */
  #below(depth: number): { tree: OstreeId; meta: OstreeId } {
    const isKnown = this.#directories.length > 0 && this.#random.chance(0.1)
    return isKnown ? this.#random.pick(this.#directories) : this.directory(depth + 1)
  }

  #file(): OstreeId {
    const random = this.#random
    if (this.#files.length > 0 && random.chance(0.15)) return random.pick(this.#files)
    const isLink = random.chance(0.2)
    const content = isLink ? Buffer.alloc(0) : random.bytes(random.pick(sizes))
    const ownership = this.#ownership(isLink ? S_IFLNK : S_IFREG)
    const target = isLink ? random.pick(targets) : ''
    // Old versions of ostree state the length of the target.
    const size = isLink && random.chance(0.3) ? Buffer.byteLength(target) : content.length
    const id = this.#archive.file({ ...ownership, target, size }, content)
    this.#files.push(id)
    return id
  }

  #ownership(type: number): Ownership {
    const random = this.#random
    const mode = type | (type === S_IFLNK ? 0o777 : random.pick(modes))
    return { uid: random.pick(ids), gid: random.pick(ids), mode, xattrs: this.#xattrs() }
  }

  #xattrs(): OstreeXattrs {
    const random = this.#random
    if (random.chance(0.6)) return []
    const chosen = new Set(Array.from({ length: 1 + random.below(5) }, () => random.pick(attributes)))
    return sortXattrs([...chosen].map((name) => [Buffer.from(`${name}\0`), Buffer.from(random.pick(values), 'latin1')]))
  }
}
