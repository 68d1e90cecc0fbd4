/**
 * Commits of random trees: both tools make the same stream and the same images of them. SLUICE_COMMITS gives the number of
 * commits (24), SLUICE_SEED repeats a run.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { Random } from '../fuzz/random.js'
import { ArchiveWriter } from '../helpers/ostree-archive.js'
import { writeRandomTree } from '../helpers/random-commit.js'
import { linkedNames } from '../helpers/repository-model.js'
import { comparableLines, missing, runOk, scratchFolder, ToolRepository } from '../helpers/system-run.js'

const commits = Number(process.env['SLUICE_COMMITS'] ?? 24)
const seed = Number(process.env['SLUICE_SEED'] ?? Date.now() % 1_000_000)

const repositories = [0, 1, 2].flatMap((erofsVersion) => ['sha256', 'sha512'].map((hash) => ({ erofsVersion, hash })))

test('both tools make the same of random commits', { skip: missing('cfsctl', 'ostree') }, async (t) => {
  t.diagnostic(`seed ${seed}`)
  const scratch = scratchFolder('random-commits')
  const source = join(scratch, 'source')
  const archive = new ArchiveWriter(source)
  for (let number = 0; number < commits; number++) {
    archive.commit(`c${number}`, writeRandomTree(archive, new Random(seed, number)))
  }
  await runOk('ostree', [`--repo=${source}`, 'fsck', '--quiet'])
  for (const [i, kind] of repositories.entries()) {
    const open = (tool: 'sluice' | 'cfsctl') =>
      ToolRepository.init(tool, join(scratch, `${tool}-${i}`), { ...kind, env: { SLUICE_PARITY: '1' } })
    const [sluice, cfsctl] = [await open('sluice'), await open('cfsctl')]
    for (let number = i; number < commits; number += repositories.length) {
      const what = `commit ${number} of SLUICE_SEED=${seed}, ${kind.hash}, V${kind.erofsVersion}`
      const both = [sluice, cfsctl]
      const pull = (repository: ToolRepository) => repository.ok('ostree', 'pull-local', source, `c${number}`)
      const [ours, theirs] = [await pull(sluice), await pull(cfsctl)].map(comparableLines)
      assert.deepEqual(ours, theirs, what)
      const [dump, other] = await Promise.all(both.map((tool) => tool.bytes('ostree', 'dump', `c${number}`)))
      assert.ok(dump.equals(other), what)
    }
    assert.deepEqual(linkedNames(join(sluice.path, 'images')), linkedNames(join(cfsctl.path, 'images')))
    await sluice.other.ok('fsck')
    await cfsctl.other.ok('fsck')
  }
})
