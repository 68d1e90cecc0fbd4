import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { SluiceError } from '../../src/errors.js'
import { writeDumpfile } from '../../src/formats/dumpfile/write.js'
import type { ErofsVersion } from '../../src/formats/erofs/format.js'
import { checkErofs, listErofsObjects } from '../../src/formats/erofs/list-objects.js'
import { loadErofsTree } from '../../src/formats/erofs/load.js'
import { openErofs } from '../../src/formats/erofs/open.js'
import { writeErofs } from '../../src/formats/erofs/write.js'
import { newDirectory, newLeaf, type Directory, type Leaf, type TreeNode } from '../../src/formats/tree/tree.js'
import { anyVersion, epoch1, tree, type TreeLimits } from './erofs-trees.js'

const versions: readonly ErofsVersion[] = [0, 1, 2]

function dump(root: Directory): string[] {
  return [...writeDumpfile(root)]
}

/** The same tree with everything inserted in the opposite order. */
function reversed(root: Directory): Directory {
  const leaves = new Map<Leaf, Leaf>()
  const copy = (node: TreeNode): TreeNode => {
    const stat = { ...node.stat, xattrs: new Map([...node.stat.xattrs].reverse()) }
    if (node.kind === 'leaf') {
      const leaf = leaves.get(node) ?? newLeaf(stat, node.content)
      leaves.set(node, leaf)
      return leaf
    }
    const directory = newDirectory(stat)
    for (const [name, child] of [...node.entries].reverse()) directory.entries.set(name, copy(child))
    return directory
  }
  return copy(root) as Directory
}

function withoutNanoseconds(lines: readonly string[]): string[] {
  return lines.map((line) => line.replace(/^((?:[^ ]+ ){7}-?\d+\.)\d+/, '$10'))
}

const cases: [string, TreeLimits, readonly ErofsVersion[]][] = [
  ['small files and links', { ...anyVersion, minTarget: 0 }, versions],
  ['the largest files and links of epoch 1', epoch1, [0, 1]],
]
for (const [what, limits, written] of cases) {
  test(`what is written reads back the same: ${what}`, () => {
    fc.assert(
      fc.property(tree(limits), (root) => {
        const expected = dump(root)
        for (const version of written) {
          const image = openErofs(writeErofs(root, { version }))
          assert.equal(image.version, version)
          checkErofs(image)
          const lines = dump(loadErofsTree(image, limits.algorithm))
          assert.deepEqual(lines, version === 2 ? withoutNanoseconds(expected) : expected)
        }
      }),
      { numRuns: 150 },
    )
  })
}

test('the image depends on the tree only, not on the order of insertion nor on earlier images', () => {
  fc.assert(
    fc.property(tree(anyVersion), (root) => {
      const before = dump(root)
      const images = versions.map((version) => writeErofs(root, { version }))
      assert.deepEqual(dump(root), before)
      const other = reversed(root)
      for (const version of versions.toReversed()) {
        assert.ok(images[version].equals(writeErofs(other, { version })), `V${version}`)
      }
    }),
    { numRuns: 100 },
  )
})

test('an image that is read and written again is the same', () => {
  fc.assert(
    fc.property(tree(anyVersion), fc.constantFrom(...versions), (root, version) => {
      const image = writeErofs(root, { version })
      assert.ok(image.equals(writeErofs(loadErofsTree(openErofs(image)), { version })))
    }),
    { numRuns: 100 },
  )
})

test('the object list holds the object of each external file, whether by digest or by path', () => {
  fc.assert(
    fc.property(tree(anyVersion), fc.constantFrom(...versions), (root, version) => {
      const expected = new Set<string>()
      for (const line of writeDumpfile(root)) {
        const digest = line.split(' ')[10]
        if (digest !== '-') expected.add(digest)
      }
      const image = openErofs(writeErofs(root, { version }))
      assert.deepEqual(listErofsObjects(image, 'sha256'), [...expected].sort())
      assert.deepEqual(listErofsObjects(image, 'sha512'), [])
    }),
    { numRuns: 60 },
  )
})

/** One damage of an image: a value over some bytes, or its end cut off. */
const damage = fc.record({
  at: fc.nat(),
  value: fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 8 }),
    fc.constantFrom(
      Uint8Array.of(0xff, 0xff),
      Uint8Array.of(0xff, 0xff, 0xff, 0xff),
      Uint8Array.of(0, 0, 0, 0),
      Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f),
    ),
  ),
  /** Most bytes of an image are zero: damage is aimed at the others. */
  aimed: fc.boolean(),
})

test('readers answer damaged images with a tree or a SluiceError, and soon', () => {
  fc.assert(
    fc.property(
      tree(anyVersion, 40),
      fc.constantFrom(...versions),
      fc.array(damage, { minLength: 1, maxLength: 6 }),
      fc.option(fc.nat(), { freq: 8 }),
      (root, version, damages, cut) => {
        let image = writeErofs(root, { version })
        const used = [...image.keys()].filter((at) => at >= 1024 && image[at] !== 0)
        for (const { at, value, aimed } of damages) {
          const start = aimed ? used[at % used.length] : at % image.length
          image.set(value.subarray(0, image.length - start), start)
        }
        if (cut !== null) image = image.subarray(0, cut % image.length)
        const started = performance.now()
        for (const read of [
          () => checkErofs(openErofs(image)),
          () => listErofsObjects(openErofs(image), 'sha256'),
          () => writeErofs(loadErofsTree(openErofs(image), 'sha256'), { version: 1 }),
          () => dump(loadErofsTree(openErofs(image))),
        ]) {
          try {
            read()
          } catch (error) {
            assert.ok(error instanceof SluiceError, String(error))
            assert.equal(error.code, 'SLUICE_FORMAT')
          }
        }
        assert.ok(performance.now() - started < 30_000)
      },
    ),
    { numRuns: 400 },
  )
})
