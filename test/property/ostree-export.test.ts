/** Any tree: image → commit → ostree repository of any mode → pull gives the same commit and the same image. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  newDirectory,
  newLeaf,
  type Directory,
  type Leaf,
  type LeafContent,
  type Stat,
} from '../../src/formats/tree/tree.js'
import { exportOstreeCommit } from '../../src/pipelines/export-commit.js'
import { makeOstreeCommit } from '../../src/pipelines/make-commit.js'
import { pullOstreeCommit } from '../../src/pipelines/pull-ostree.js'
import type { Repository } from '../../src/repository/repository.js'
import { openLocalOstree } from '../../src/stages/ostree/local-source.js'
import { writableModes } from '../helpers/ostree-export.js'
import { imageOf, statOf, storedFile } from '../helpers/ostree-trees.js'
import { noise } from '../helpers/registry-images.js'
import { temporaryDirectory, temporaryRepository } from '../helpers/temporary.js'

type Content = 'symlink' | number

interface Step {
  readonly directory: number
  readonly name: string
  readonly stat: Stat
  readonly content: Content | 'directory'
}

const name = fc.oneof(fc.constantFrom('a', 'b', 'ä', '.x', ' ', 'n'.repeat(200)), fc.stringMatching(/^[a-z]{1,8}$/))
/** Around the limit for inline content, that of a piece, and some between. */
const size = fc.constantFrom(0, 8, 63, 64, 65, 129, 4096, 100_000, 262_144, 262_145)
const content = fc.oneof({ arbitrary: size, weight: 4 }, fc.constantFrom('symlink' as const, 'directory' as const))

/** What bare-user-only holds. */
const plain = fc.constantFrom(0o755, 0o644, 0o600, 0o775, 0o400).map((mode) => statOf(mode))

const xattr = fc.tuple(fc.constantFrom('user.a', 'user.a.b', 'user.ab', 'user.z'), fc.constantFrom('1', '\0', '\xff\0'))
const rich = fc
  .record({
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.constantFrom(0, 1000, 0xffff_fffe),
    gid: fc.constantFrom(0, 1000, 70_000),
    xattrs: fc.array(xattr, { maxLength: 3 }).map((entries) => new Map(entries)),
  })
  .map(({ mode, ...rest }) => statOf(mode, rest))

const steps = (stat: fc.Arbitrary<Stat>): fc.Arbitrary<Step[]> =>
  fc.array(fc.record({ directory: fc.nat(), name, stat, content }), { maxLength: 25, size: 'max' })

function leafContent(repository: Repository, kind: Content, seed: string): LeafContent {
  if (kind === 'symlink') return { type: 'symlink', target: Buffer.from(`../${seed}`).toString('latin1') }
  const data = noise(kind, seed)
  return kind > 64 ? storedFile(repository, data) : { type: 'inline', data }
}

function treeOfSteps(repository: Repository, list: readonly Step[]): Directory {
  const root = newDirectory(statOf(0o755))
  const directories = [root]
  // In a commit equal files are one.
  const leaves = new Map<string, Leaf>()
  for (const { directory, name, stat, content } of list) {
    const parent = directories[directory % directories.length]
    const key = Buffer.from(name).toString('latin1')
    if (parent.entries.has(key)) continue
    if (content === 'directory') {
      const child = newDirectory(stat)
      directories.push(child)
      parent.entries.set(key, child)
    } else {
      // The kernel lets symlinks have no attributes of users.
      const own = content === 'symlink' ? { ...stat, mode: 0o777, xattrs: new Map() } : stat
      const { mode, uid, gid, xattrs } = own
      const facts = JSON.stringify([
        mode,
        uid,
        gid,
        [...xattrs].sort(([a], [b]) => (a < b ? -1 : 1)),
        content,
        content === 0 ? '' : name,
      ])
      const leaf = leaves.get(facts) ?? newLeaf(own, leafContent(repository, content, name))
      leaves.set(facts, leaf)
      parent.entries.set(key, leaf)
    }
  }
  return root
}

for (const [what, stat, excluded] of [
  ['plain files', plain, []],
  ['owners, permissions and xattrs', rich, ['bare-user-only']],
] as const) {
  test(`${what}: commit, export and pull`, async (t) => {
    const modes = writableModes().filter((mode) => !excluded.some((each) => each === mode))
    // One mode a time: what takes long here is that each export and pull waits for the disk.
    await fc.assert(
      fc.asyncProperty(steps(stat), fc.constantFrom(...modes), async (list, mode) => {
        const repository = await temporaryRepository(t)
        const image = imageOf(repository, treeOfSteps(repository, list))
        const made = await makeOstreeCommit(repository, image, { reference: 'made' })
        assert.equal(made.image, image)
        const path = join(temporaryDirectory(t), mode)
        await exportOstreeCommit(repository, { source: 'made', path, mode, reference: 'out' })
        const other = await temporaryRepository(t)
        const back = await pullOstreeCommit(other, async () => openLocalOstree(path), { ref: 'out', threads: 0 })
        assert.deepEqual([back.commit, back.image], [made.commit, image])
      }),
      { numRuns: 15 },
    )
  })
}
