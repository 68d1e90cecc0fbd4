import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SluiceError } from '../../src/errors.js'
import { lockingAvailable } from '../../src/native/lock.js'
import { collectGarbage, type GcResult } from '../../src/pipelines/gc.js'
import { Repository } from '../../src/repository/repository.js'
import { corruptCases, corruptRepository } from '../helpers/corrupt-streams.js'
import { listFiles, needsNative, readScenarios, unpackScenario } from '../helpers/reference-repository.js'

/** The reference does not know of parts. */
const noParts = { partsRemoved: 0, partsBytes: 0, mountedImagesKept: 0 }

/** The counters in what the reference prints. */
function parseOutput(text: string): GcResult {
  const objects = /^Objects: (\d+) removed \((\d+) bytes\)$/m.exec(text)
  const links = /^Pruned symlinks: (\d+) images, (\d+) streams$/m.exec(text)
  assert.ok(objects, text)
  return {
    objectsRemoved: Number(objects[1]),
    objectsBytes: Number(objects[2]),
    imagesPruned: Number(links?.[1] ?? 0),
    streamsPruned: Number(links?.[2] ?? 0),
    ...noParts,
  }
}

const needsLock = { skip: !lockingAvailable() && 'there is no native code here, or SLUICE_NATIVE=off' }

for (const scenario of readScenarios().scenarios) {
  const options = { extraRoots: scenario.gc_args.filter((arg) => arg !== '-r') }
  const expected = scenario.gc.exit === 0 ? parseOutput(scenario.gc.stdout!) : undefined

  test(`gc --dry-run: ${scenario.name}`, needsNative(scenario), async (t) => {
    const path = unpackScenario(t, scenario.mutations)
    using repository = await Repository.open(path, { insecure: true })
    const before = listFiles(path)
    const run = collectGarbage(repository, { ...options, dryRun: true })
    if (expected === undefined) {
      assert.equal(scenario.gc_dry_run.exit, 1)
      await assert.rejects(run, SluiceError)
    } else {
      // The reference's dry run has the objects right but does not count the links that would break (design.md §9.5).
      const { objectsRemoved, objectsBytes } = parseOutput(scenario.gc_dry_run.stdout)
      assert.deepEqual(await run, { ...expected, objectsRemoved, objectsBytes })
    }
    assert.deepEqual(listFiles(path), before)
  })

  test(`gc: ${scenario.name}`, needsLock, async (t) => {
    const path = unpackScenario(t, scenario.mutations)
    using repository = await Repository.open(path, { insecure: true })
    const before = listFiles(path)
    if (expected === undefined) {
      await assert.rejects(collectGarbage(repository, options), SluiceError)
      // In one scenario the reference has removed some objects by the time it fails.
      assert.deepEqual(listFiles(path), before)
      return
    }
    assert.deepEqual(await collectGarbage(repository, options), expected)
    const after = new Set(listFiles(path))
    const gone = before.filter((file) => !after.has(file))
    assert.deepEqual(gone, scenario.gc.removed!.toSorted())
    const nothing = { objectsRemoved: 0, objectsBytes: 0, imagesPruned: 0, streamsPruned: 0, ...noParts }
    assert.deepEqual(await collectGarbage(repository, options), nothing)
  })
}

for (const vector of corruptCases()) {
  test(`gc walks ${vector.file} as far as the reference does`, async (t) => {
    const repository = await corruptRepository(t, vector)
    const run = collectGarbage(repository, { dryRun: true })
    // Where the reference crashes, an error is right.
    if (vector.gc_dry_run_exit === 0) await run
    else await assert.rejects(run, SluiceError)
  })
}
