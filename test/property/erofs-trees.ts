/** Random file trees for the EROFS and dumpfile properties. */
import * as fc from 'fast-check'
import type { ByteString } from '../../src/formats/bytes.js'
import { objectPath, type HashAlgorithm, type ObjectId } from '../../src/formats/digest.js'
import {
  newDirectory,
  newLeaf,
  type Directory,
  type Leaf,
  type LeafContent,
  type Stat,
} from '../../src/formats/tree/tree.js'

const bytes = (minLength: number, maxLength: number): fc.Arbitrary<ByteString> =>
  fc.uint8Array({ minLength, maxLength }).map((data) => Buffer.from(data).toString('latin1'))

/** Names on both sides of `.` and `..`, names of stubs, long ones, any bytes. */
const name: fc.Arbitrary<ByteString> = fc
  .oneof(
    fc.constantFrom(
      'a',
      'b',
      'usr',
      'lib',
      '-x',
      '+',
      '!',
      '.-',
      '.a',
      '..x',
      '...',
      '00',
      'ff',
      '7f',
      'AB',
      ' ',
      '\n',
    ),
    fc.integer({ min: 0, max: 255 }).map((n) => n.toString(16).padStart(2, '0')),
    bytes(1, 12),
    fc.integer({ min: 100, max: 255 }).map((length) => 'n'.repeat(length)),
  )
  .map((text) => text.replaceAll(/[/\0]/g, '_'))
  .filter((text) => text !== '.' && text !== '..')

/** Keys that reading an image gives back: the markers of overlayfs are not among them (erofs.md §10.5). */
const xattrKey: fc.Arbitrary<ByteString> = fc.oneof(
  fc.constantFrom(
    'user.a',
    'user.b',
    'user.',
    'security.selinux',
    'security.capability',
    'system.posix_acl_access',
    'system.posix_acl_default',
    'system.other',
    'lustre.x',
    'trusted.a',
    'trusted.overlay.origin',
    'trusted.overlay.overlay.z',
    'trusted.overlay.metacopy',
    'user.overlay.x',
    'btrfs.x',
  ),
  bytes(1, 20).map((suffix) => `user.${suffix.replaceAll('\0', '_')}`),
)

const xattrs = fc
  .array(fc.tuple(xattrKey, fc.oneof(fc.constantFrom('', '1', 'x=y', '-', '\0\0', '\xee'), bytes(0, 40))), {
    maxLength: 5,
  })
  .map((entries) => new Map(entries))

const stat: fc.Arbitrary<Stat> = fc.record({
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.constantFrom(0, 0, 0, 1000, 65535, 65536, 0xffffffff),
  gid: fc.constantFrom(0, 0, 0, 1000, 65535, 65536, 0xffffffff),
  mtime: fc.constantFrom(0n, 0n, 1n, 1700000000n, -5n, 2n ** 63n - 1n, -(2n ** 63n)),
  mtimeNsec: fc.constantFrom(0, 0, 1, 999_999_999),
  xattrs: fc.oneof(fc.constant(new Map<ByteString, ByteString>()), xattrs),
})

const size = fc.oneof(
  fc.constantFrom(1, 4096, 4097, 2 ** 32 - 1, 2 ** 32, 2 ** 43, 2 ** 43 + 1, 2 ** 50, 2 ** 53),
  fc.integer({ min: 1, max: 1e6 }),
)

export interface TreeLimits {
  /** Largest inline file: 512 is what every version can hold. */
  readonly maxInline: number
  /** 0 is what layers may have, 1 dumpfiles. */
  readonly minTarget: number
  readonly maxTarget: number
  readonly algorithm: HashAlgorithm
}

export const anyVersion: TreeLimits = { maxInline: 512, minTarget: 1, maxTarget: 1024, algorithm: 'sha256' }
export const epoch1: TreeLimits = { maxInline: 5000, minTarget: 1, maxTarget: 4095, algorithm: 'sha512' }

function leafContent({ maxInline, minTarget, maxTarget, algorithm }: TreeLimits): fc.Arbitrary<LeafContent> {
  const digits = algorithm === 'sha256' ? 64 : 128
  // Few different objects, so that their xattrs are shared.
  const id = fc.integer({ min: 1, max: 40 }).map((n) => n.toString(16).padStart(digits, 'c') as ObjectId)
  const rdev = fc.constantFrom(1, 259, 0xffffffff)
  return fc.oneof(
    fc
      .oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: maxInline }))
      .map((length) => ({ type: 'inline', data: new Uint8Array(length).fill(length % 251) }) as const),
    fc.record({ type: fc.constant('external' as const), id, size }),
    fc.record({ type: fc.constant('external-no-verity' as const), path: id.map(objectPath), size }),
    fc.record({ type: fc.constant('sparse' as const), size }),
    fc.record({ type: fc.constantFrom('chr' as const, 'blk' as const), rdev }),
    fc.constant({ type: 'chr', rdev: 0 } as const),
    fc.constant({ type: 'blk', rdev: 0 } as const),
    fc.constant({ type: 'fifo' } as const),
    fc.constant({ type: 'sock' } as const),
    fc
      .oneof(fc.integer({ min: minTarget, max: 60 }), fc.integer({ min: minTarget, max: maxTarget }))
      .map((length) => ({ type: 'symlink', target: 't'.repeat(length) }) as const),
  )
}

type Addition =
  | { readonly kind: 'directory'; readonly stat: Stat }
  | { readonly kind: 'leaf'; readonly stat: Stat; readonly content: LeafContent }
  | { readonly kind: 'link'; readonly leaf: number }

/** Trees of up to `maxLength` names; every one can be written, and read back without loss (but for V2's nanoseconds). */
export function tree(limits: TreeLimits, maxLength = 60): fc.Arbitrary<Directory> {
  const addition: fc.Arbitrary<Addition> = fc.oneof(
    fc.record({ kind: fc.constant('directory' as const), stat }),
    { arbitrary: fc.record({ kind: fc.constant('leaf' as const), stat, content: leafContent(limits) }), weight: 4 },
    fc.record({ kind: fc.constant('link' as const), leaf: fc.nat() }),
  )
  const step = fc.record({ directory: fc.nat(), name, addition })
  return fc.tuple(stat, fc.array(step, { maxLength, size: 'max' })).map(([rootStat, steps]) => {
    const root = newDirectory(rootStat)
    const directories = [root]
    const leaves: Leaf[] = []
    for (const { directory, name, addition } of steps) {
      const parent = directories[directory % directories.length]
      if (parent.entries.has(name)) continue
      if (addition.kind === 'directory') {
        const child = newDirectory(addition.stat)
        directories.push(child)
        parent.entries.set(name, child)
      } else if (addition.kind === 'leaf') {
        const leaf = newLeaf(addition.stat, addition.content)
        // Reading drops a whiteout that looks like a stub of the writer.
        if (isWhiteout(leaf) && parent === root && /^[0-9a-f]{2}$/i.test(name)) continue
        if (!isWhiteout(leaf)) leaves.push(leaf)
        parent.entries.set(name, leaf)
      } else if (leaves.length > 0) {
        parent.entries.set(name, leaves[addition.leaf % leaves.length])
      }
    }
    return root
  })
}

function isWhiteout({ content }: Leaf): boolean {
  return content.type === 'chr' && content.rdev === 0
}
