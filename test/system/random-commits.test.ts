/**
 * Commits of random trees: both tools make the same stream and the same images of them, and the same commits of these.
 * SLUICE_COMMITS gives the number of commits (18), SLUICE_SEED repeats a run.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { Random } from '../fuzz/random.js'
import { ArchiveWriter } from '../helpers/ostree-archive.js'
import { writeRandomTree } from '../helpers/random-commit.js'
import { linkedNames } from '../helpers/repository-model.js'
import {
  comparableLines,
  ensureSameBytes,
  missing,
  rootLines,
  runOk,
  scratchFolder,
  ToolRepository,
  type ToolName,
} from '../helpers/system-run.js'

const commits = Number(process.env['SLUICE_COMMITS'] ?? 18)
const seed = Number(process.env['SLUICE_SEED'] ?? Date.now() % 1_000_000)

const repositories = [0, 1, 2].flatMap((erofsVersion) => ['sha256', 'sha512'].map((hash) => ({ erofsVersion, hash })))

/** The root of a commit that is made of the image of another one; it has its own date. */
async function commitImage(repository: ToolRepository, ref: string): Promise<string[]> {
  const image = await repository.ok('ostree', 'compute-id', ref)
  await repository.ok('ostree', 'commit', '--reference', `made/${ref}`, '--subject', 'of an image', image)
  return rootLines(await repository.ok('ostree', 'inspect', `made/${ref}`))
}

test('both tools make the same of random commits', { skip: missing('cfsctl', 'ostree') }, async (t) => {
  t.diagnostic(`seed ${seed}`)
  const scratch = scratchFolder('random-commits')
  const source = join(scratch, 'source')
  const archive = new ArchiveWriter(source)
  for (let number = 0; number < commits; number++) {
    // Trees may be the same, but cfsctl makes no ref to a commit that it has (ostree.md §3.1).
    const timestamp = BigInt(number)
    archive.commit(`c${number}`, { ...writeRandomTree(archive, new Random(seed, number)), timestamp })
  }
  await runOk('ostree', [`--repo=${source}`, 'fsck', '--quiet'])
  for (const [i, kind] of repositories.entries()) {
    const open = (tool: ToolName) =>
      ToolRepository.init(tool, join(scratch, `${tool}-${i}`), { ...kind, env: { SLUICE_PARITY: '1' } })
    const [sluice, cfsctl] = [await open('sluice'), await open('cfsctl')]
    const both = [sluice, cfsctl]
    for (let number = i; number < commits; number += repositories.length) {
      const what = `commit ${number} of SLUICE_SEED=${seed}, ${kind.hash}, V${kind.erofsVersion}`
      const pull = (repository: ToolRepository) => repository.ok('ostree', 'pull-local', source, `c${number}`)
      const [ours, theirs] = [await pull(sluice), await pull(cfsctl)].map(comparableLines)
      assert.deepEqual(ours, theirs, what)
      for (const command of ['dump', 'inspect']) await ensureSameBytes(both, what, 'ostree', command, `c${number}`)
      const [made, madeThere] = await Promise.all(both.map((repository) => commitImage(repository, `c${number}`)))
      assert.equal(made.length, 2)
      assert.deepEqual(made, madeThere, `${what}, made of its image`)
    }
    assert.deepEqual(linkedNames(join(sluice.path, 'images')), linkedNames(join(cfsctl.path, 'images')))
    await sluice.other.ok('fsck')
    await cfsctl.other.ok('fsck')
  }
})
