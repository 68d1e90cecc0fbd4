import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { SluiceError } from '../../src/errors.js'
import { writeDumpfile } from '../../src/formats/dumpfile/write.js'
import type { TarEntry } from '../../src/formats/tar/entries.js'
import { LayerMerger } from '../../src/formats/tree/merge.js'
import { finishTree } from '../../src/formats/tree/transform.js'
import { noXattrs, type Stat } from '../../src/formats/tree/tree.js'

const names = ['usr', 'run', 'a', 'b', '.wh.a', '.wh.usr', '.wh..wh..opq', '.', '', '..', 'l']
const path = fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 4 }).map((parts) => `/${parts.join('/')}`)
const target = fc.constantFrom('a', '/usr', '../run', '/usr/l', 'b/../l', '')

const stat = fc.record<Stat>({
  mode: fc.constantFrom(0o755, 0o4600, 0o100644),
  uid: fc.nat(3),
  gid: fc.nat(3),
  mtime: fc.bigInt({ min: -3n, max: 3n }),
  mtimeNsec: fc.nat(2),
  xattrs: fc.constantFrom(
    noXattrs,
    new Map([
      ['user.x', 'y'],
      ['security.capability', 'c'],
      ['trusted.z', ''],
    ]),
  ),
})

const entry: fc.Arbitrary<TarEntry> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('directory' as const), path, stat }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('leaf' as const),
      path,
      stat,
      content: fc.oneof(
        fc.string().map((text) => ({ type: 'inline' as const, data: Buffer.from(text) })),
        target.map((target) => ({ type: 'symlink' as const, target })),
        fc.constant({ type: 'fifo' as const }),
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('hardlink' as const), path, target: path }) },
)

const base: TarEntry[] = ['/usr', '/usr/a', '/run'].map((path) => ({
  type: 'directory',
  path,
  stat: { mode: 0o755, uid: 0, gid: 0, mtime: 0n, mtimeNsec: 0, xattrs: noXattrs },
}))

/** The dump of the tree that these entries make, or the error. */
function tree(entries: readonly TarEntry[], parity: boolean): string | SluiceError {
  try {
    const merger = new LayerMerger({ parity })
    for (const entry of entries) merger.apply(entry)
    finishTree(merger.root, { xattrs: 'keep-user-xattrs', parity })
    return [...writeDumpfile(merger.root)].join('\n')
  } catch (error) {
    if (error instanceof SluiceError) return error
    throw error
  }
}

test('what parity accepts is the same without it', () => {
  let accepted = 0
  let onlyWithout = 0
  fc.assert(
    fc.property(fc.array(entry, { minLength: 1, maxLength: 8 }), (entries) => {
      const all = [...base, ...entries]
      const strict = tree(all, true)
      const lenient = tree(all, false)
      if (typeof strict === 'string') {
        accepted++
        assert.equal(lenient, strict)
      } else if (typeof lenient === 'string') onlyWithout++
    }),
    { numRuns: 3000 },
  )
  assert.ok(accepted > 100 && onlyWithout > 100, `accepted ${accepted}, only without parity ${onlyWithout}`)
})

test('the entries stay as they were, so that a layer can be applied again', () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 8 }), (entries) => {
      const all = [...base, ...entries]
      const first = tree(all, false)
      const second = tree(all, false)
      assert.equal(String(second), String(first))
    }),
    { numRuns: 300 },
  )
})
