/** A root file system with everything that has gone wrong in tools of this kind, and two layers on top that change it. */
import { createHash } from 'node:crypto'
import { chmodSync, lchownSync, linkSync, lutimesSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { runOk } from './system-run.js'

/** Bytes that do not compress and are the same in every run. */
export function noise(seed: string, size: number): Buffer {
  const block = createHash('shake256', { outputLength: Math.min(size, 65_536) })
    .update(seed)
    .digest()
  const bytes = Buffer.alloc(size)
  for (let at = 0; at < size; at += block.length) block.copy(bytes, at)
  // Blocks differ, or a 1 MiB file would be sixteen times the same.
  for (let at = 0; at + 4 <= size; at += block.length || 1) bytes.writeUInt32LE(at, at)
  return bytes
}

/** Builds up a folder entry by entry; `path` is relative, in bytes as latin1. */
export class RootFs {
  readonly folder: string
  private readonly times: (() => void)[] = []

  constructor(folder: string) {
    this.folder = folder
    mkdirSync(folder, { recursive: true })
  }

  private at(path: string): Buffer {
    return Buffer.concat([Buffer.from(`${this.folder}/`), Buffer.from(path, 'latin1')])
  }

  /** Sets owner, mode and time; the time is set at the end, or later entries would change their folder's. */
  private finish(path: string, { mode, owner = [0, 0], mtime = 1_700_000_000 }: Metadata): void {
    lchownSync(this.at(path), ...owner)
    if (mode !== undefined) chmodSync(this.at(path), mode)
    this.times.push(() => lutimesSync(this.at(path), mtime, mtime))
  }

  directory(path: string, { mode = 0o755, ...metadata }: Metadata = {}): this {
    mkdirSync(this.at(path), { recursive: true })
    this.finish(path, { mode, ...metadata })
    return this
  }

  file(path: string, content: string | Buffer = '', { mode = 0o644, ...metadata }: Metadata = {}): this {
    writeFileSync(this.at(path), content)
    this.finish(path, { mode, ...metadata })
    return this
  }

  symlink(path: string, target: string, { owner, mtime }: Omit<Metadata, 'mode'> = {}): this {
    symlinkSync(Buffer.from(target, 'latin1'), this.at(path))
    this.finish(path, { ...(owner && { owner }), ...(mtime !== undefined && { mtime }) })
    return this
  }

  hardLink(path: string, existing: string): this {
    linkSync(this.at(existing), this.at(path))
    return this
  }

  /** `kind` as of mknod(1): `p`, or `c MAJOR MINOR`, `b MAJOR MINOR`. */
  async node(path: string, kind: string, { mode = 0o600, ...metadata }: Metadata = {}): Promise<this> {
    const [type = '', ...numbers] = kind.split(' ')
    await runOk('mknod', [`${this.folder}/${path}`, type, ...numbers])
    this.finish(path, { mode, ...metadata })
    return this
  }

  async xattr(path: string, name: string, value: Buffer): Promise<this> {
    await runOk('setfattr', ['-h', '-n', name, '-v', `0x${value.toString('hex')}`, `${this.folder}/${path}`])
    return this
  }

  /** Call once, when all entries are there. */
  settle(): void {
    for (const setTime of this.times.splice(0)) setTime()
  }
}

interface Metadata {
  readonly mode?: number
  /** uid and gid. */
  readonly owner?: readonly [number, number]
  /** Seconds since 1970. */
  readonly mtime?: number
}

const sizes = [0, 1, 63, 64, 65, 511, 512, 513, 4095, 4096, 4097, 65_536, 1_048_576]

/** The base: all kinds of entries. Made for GNU tar's pax format: attributes and parts of seconds survive. */
export async function writeBaseLayer(folder: string): Promise<void> {
  const root = new RootFs(folder)
  for (const path of [
    'usr',
    'usr/bin',
    'usr/lib',
    'usr/share',
    'usr/share/doc',
    'etc',
    'var',
    'var/lib',
    'run',
    'tmp',
    'boot',
    'sysroot',
  ]) {
    root.directory(path)
  }
  root.directory('.', { mode: 0o700, mtime: 1_600_000_000 })
  root.directory('tmp', { mode: 0o1777 })
  root.directory('run', { mode: 0o711, mtime: 1_500_000_000 }).file('run/dropped-by-design', 'not in the image')
  root.directory('usr/share/empty', { mode: 0o2750, owner: [1000, 100] })
  for (const size of sizes) root.file(`usr/lib/size-${size}`, noise(`size ${size}`, size))
  root.file('usr/lib/zeros', Buffer.alloc(20_000)).file('usr/lib/same-as-4096', noise('size 4096', 4096))

  root.file('usr/bin/tool', noise('tool', 3000), { mode: 0o755 }).hardLink('usr/bin/tool-alias', 'usr/bin/tool')
  root.hardLink('usr/share/tool-elsewhere', 'usr/bin/tool')
  root.file('usr/bin/su', noise('su', 700), { mode: 0o4755 }).file('usr/bin/wall', noise('wall', 70), { mode: 0o2711 })
  root.file('usr/bin/ping', noise('ping', 900), { mode: 0o755, mtime: 1_111_111_111.5 })
  root.symlink('bin', 'usr/bin').symlink('usr/lib/absolute', '/usr/lib/size-65').symlink('usr/lib/dangling', 'no/where')
  root.symlink('usr/lib/long-target', 't'.repeat(300)).symlink('usr/lib/owned', 'x', { owner: [12, 34], mtime: 55 })
  root.hardLink('usr/lib/owned-too', 'usr/lib/owned')

  root.file('etc/passwd', 'root:x:0:0::/:/bin/sh\n').file('etc/odd', 'o', { owner: [70_000, 4_000_000], mode: 0 })
  root.file('etc/epoch', 'e', { mtime: 0 }).file('etc/late', 'l', { mtime: 4_300_000_000 })
  root.file('etc/fraction', 'f', { mtime: 1_000_000_000.987654 })
  root.file('usr/share/doc/with space', 's').file('usr/share/doc/gr\xc3\xbc\xc3\x9fe', 'utf-8')
  root.file('usr/share/doc/\xff\xfe\x01bytes', 'no utf-8').file('usr/share/doc/back\\slash=\t', 'escapes')
  root.file(`usr/share/doc/${'n'.repeat(255)}`, noise('n255', 200))
  const deep = Array.from({ length: 6 }, (_, level) => `${level}`.repeat(60)).join('/')
  for (let end = 60; end <= deep.length; end += 61) root.directory(`usr/share/doc/${deep.slice(0, end)}`)
  root.file(`usr/share/doc/${deep}/leaf`, noise('deep', 100))

  root.directory('var/lib/replaced').file('var/lib/replaced/inside', 'i').file('var/lib/becomes-directory', 'f')
  root.directory('var/lib/opaque').file('var/lib/opaque/old', noise('old', 80)).directory('var/lib/opaque/deeper')
  root.directory('var/lib/whiteout').file('var/lib/whiteout/gone', 'g').file('var/lib/whiteout/stays', 's')
  root.directory('var/lib/whiteout/tree').file('var/lib/whiteout/tree/leaf', noise('leaf', 90))

  await root.node('var/lib/fifo', 'p', { mode: 0o622 })
  await root.node('var/lib/null', 'c 1 3', { mode: 0o666, owner: [0, 6] })
  await root.node('var/lib/disk', 'b 259 300000')
  await runOk('setcap', ['cap_net_raw+ep', `${folder}/usr/bin/ping`])
  await root.xattr('usr/bin/tool', 'user.note', Buffer.from('kept only on request'))
  await root.xattr('usr/share', 'user.empty', Buffer.alloc(0))
  await root.xattr('usr', 'trusted.dropped', Buffer.from([0, 1, 255]))
  root.settle()
}

/** The second layer, for GNU tar's own format: times before 1970 and large numbers in base 256, whiteouts. */
export function writeChangeLayer(folder: string): void {
  const root = new RootFs(folder)
  for (const path of ['usr', 'usr/bin', 'var', 'var/lib', 'var/lib/whiteout', 'etc']) root.directory(path)
  root.directory('usr', { mode: 0o755, owner: [0, 0], mtime: 1_650_000_000 })
  root.file('etc/old', noise('old', 66), { mtime: -86_400, owner: [3_000_000_000, 4_000_000_000] })
  root.file('etc/passwd', noise('passwd', 77), { mode: 0o600 }).file('var/lib/replaced', 'now a file')
  root.directory('var/lib/becomes-directory').file('var/lib/becomes-directory/inside', noise('inside', 65))
  root.file('var/lib/whiteout/.wh.gone').file('var/lib/whiteout/.wh.tree').file('usr/bin/.wh.wall')
  root.file(`usr/bin/${'l'.repeat(150)}`, noise('long name', 300)).symlink('usr/bin/link', 'k'.repeat(150))
  root.settle()
}

/** The third layer: an opaque folder, a whiteout of a folder that the second one made, something put back. */
export function writeOpaqueLayer(folder: string): void {
  const root = new RootFs(folder)
  for (const path of ['var', 'var/lib', 'var/lib/opaque', 'var/lib/whiteout']) root.directory(path)
  root.directory('usr', { mode: 0o751, owner: [7, 8], mtime: 1_660_000_000.25 })
  root.file('var/lib/opaque/.wh..wh..opq').file('var/lib/opaque/new', noise('new', 4097))
  root.file('var/lib/.wh.becomes-directory').file('var/lib/whiteout/gone', 'back again')
  root.settle()
}
