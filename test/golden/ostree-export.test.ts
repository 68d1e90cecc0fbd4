/** Exports of the ostree vectors are the repositories that ostree made; commits of images are those of the reference. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { readCommit } from '../../src/formats/ostree/commit.js'
import { hashMetadata } from '../../src/formats/ostree/ostree-id.js'
import type { RepositoryMode } from '../../src/formats/ostree/repository-config.js'
import { commitStreamName } from '../../src/formats/ostree/ref-name.js'
import { exportOstreeCommit } from '../../src/pipelines/export-commit.js'
import { makeOstreeCommit } from '../../src/pipelines/make-commit.js'
import { pullOstreeCommit } from '../../src/pipelines/pull-ostree.js'
import type { Repository } from '../../src/repository/repository.js'
import { openLocalOstree } from '../../src/stages/ostree/local-source.js'
import { readStoredCommit } from '../../src/stages/ostree/stored-commit.js'
import { sluice } from '../helpers/cli.js'
import { objectFacts, stagingLeftovers, writableModes } from '../helpers/ostree-export.js'
import { ostreeVector } from '../helpers/ostree-vectors.js'
import { temporaryDirectory, temporaryRepository } from '../helpers/temporary.js'
import { readJsonVector } from '../helpers/vectors.js'

interface Expected {
  readonly modes: Readonly<Partial<Record<RepositoryMode, { ref: string; commit: string; image: string }>>>
  readonly made_commit: { image: string; commit_object_base64: string }
  readonly scenarios: { export: readonly { cmd?: string[]; stdout?: string[]; ref?: string }[] }
}

const modes = writableModes()
// Before the first test, as what they are unpacked into goes with the test that asks for it first.
for (const name of ['archive', 'buo-archive', ...modes]) ostreeVector(name)

const expected = readJsonVector<Expected>('ostree', 'expected.json')

async function pulled(t: TestContext, source: string, ref: string, parity = false): Promise<Repository> {
  const repository = await temporaryRepository(t)
  await pullOstreeCommit(repository, async () => openLocalOstree(source), { ref, threads: 0, parity })
  return repository
}

/** Which repository of the vectors has the same commit as the one of that mode. */
const archiveOf = (ref: string): string => ostreeVector(ref === 'alpha/user' ? 'buo-archive' : 'archive')

for (const mode of modes) {
  test(`mode ${mode}: every object is the one that ostree wrote`, async (t) => {
    const { ref, commit } = expected.modes[mode] ?? { ref: 'alpha/main', commit: expected.modes.bare!.commit }
    const repository = await pulled(t, archiveOf(ref), ref)
    const path = join(temporaryDirectory(t), 'exported')
    const result = await exportOstreeCommit(repository, { source: ref, path, mode, reference: ref })
    assert.equal(result.commit, commit)
    const [ours, theirs] = [objectFacts(path), objectFacts(ostreeVector(mode))]
    assert.equal(ours.size >= result.written.files + result.written.metadata, true)
    for (const [name, facts] of ours) assert.deepEqual(facts, theirs.get(name), name)
    assert.equal(readFileSync(join(path, 'refs/heads', ref), 'utf8'), `${commit}\n`)
    assert.deepEqual(stagingLeftovers(path), [])

    const again = await temporaryRepository(t)
    const back = await pullOstreeCommit(again, async () => openLocalOstree(path), { ref, threads: 0, parity: true })
    assert.equal(back.commit, commit)
    assert.equal(back.image, expected.modes[mode]?.image ?? expected.modes.bare!.image)
  })
}

test('the command prints what that of the reference prints, and exports into archives too', async (t) => {
  const repository = await pulled(t, ostreeVector('archive'), 'alpha/main')
  const [first, second] = expected.scenarios.export
  for (const mode of ['bare-user', 'archive'].filter((mode) => modes.some((each) => each === mode))) {
    const path = join(temporaryDirectory(t), 'ex')
    const words = first.cmd!.slice(1).map((word) => (word === 'ex' ? path : word))
    const { status, stdout, stderr } = await sluice(['--repo', repository.path, ...words, '--mode', mode])
    assert.equal(status, 0, stderr)
    assert.deepEqual(stdout.split('\n').slice(0, -1), first.stdout)
    assert.equal(readFileSync(join(path, 'refs/heads/out/ref'), 'utf8'), second.ref)
  }
})

for (const parity of [true, false]) {
  test(`a commit of an image has the id and the root of the reference, ${parity ? 'with' : 'without'} parity`, async (t) => {
    const { commit_object_base64: base64 } = expected.made_commit
    const theirs = Buffer.from(base64, 'base64')
    const { timestamp, subject, tree, meta } = readCommit(theirs)
    const repository = await pulled(t, ostreeVector('archive'), 'alpha/main', parity)
    const source = await readStoredCommit(repository, 'refs/ostree/alpha%2Fmain')
    const options = { reference: 'made/ref', subject, timestamp, parity }
    const made = await makeOstreeCommit(repository, source.image!, options)
    assert.equal(made.commit, hashMetadata(theirs))
    assert.equal(made.image, source.image)
    if (parity) assert.equal(made.image, expected.made_commit.image)
    const stored = await readStoredCommit(repository, commitStreamName(made.commit))
    assert.deepEqual(stored.get(made.commit)?.data, theirs)
    assert.equal(stored.image, made.image)
    assert.equal(stored.stream, made.verity)
    const { tree: sourceTree, meta: sourceMeta } = readCommit(source.get(source.commit)!.data)
    assert.deepEqual([tree, meta], [sourceTree, sourceMeta])
    for (const impossible of [-1n, 2n ** 64n]) {
      const late = makeOstreeCommit(repository, source.image!, { timestamp: impossible })
      await assert.rejects(late, { code: 'SLUICE_USAGE' })
    }
  })
}
