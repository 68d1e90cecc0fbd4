import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseObjectId } from '../../src/formats/digest.js'
import { listErofsObjects } from '../../src/formats/erofs/list-objects.js'
import { openErofs } from '../../src/formats/erofs/open.js'
import { checkOciRepository, checkRepository } from '../../src/pipelines/fsck.js'
import { Repository } from '../../src/repository/repository.js'
import { MAX_IMAGE_SIZE } from '../../src/formats/erofs/format.js'
import { corruptCases, corruptRepository } from '../helpers/corrupt-streams.js'
import { needsNative, readScenarios, unpackScenario, type FsckJson } from '../helpers/reference-repository.js'

/** How many parts of an error line say what is wrong; behind them every tool gives its reason in its own words. */
const exactParts: Record<string, number> = {
  'object-invalid-name': 3,
  'stream-open-failed': 3,
  'image-invalid': 3,
  'manifest-read-failed': 3,
  'layer-object-missing': 4,
}

function withoutReason(line: string): string {
  const parts = line.split(': ')
  return parts.slice(0, exactParts[parts[1]]).join(': ')
}

/** The JSON as text, which has the order of its keys too; errors in the order of their bytes, as theirs is that of directories. */
function comparable(result: Omit<FsckJson, 'errors'> & { readonly errors: readonly string[] }): string {
  return JSON.stringify({ ...result, errors: result.errors.map(withoutReason).sort() }, undefined, 2)
}

for (const scenario of readScenarios().scenarios) {
  test(`fsck: ${scenario.name}`, needsNative(scenario), async (t) => {
    const path = unpackScenario(t, scenario.mutations)
    using repository = await Repository.open(path, { insecure: true })
    assert.equal(comparable(await checkRepository(repository)), comparable(scenario.fsck_json))
    const metadataOnly = await checkRepository(repository, { metadataOnly: true })
    assert.equal(comparable(metadataOnly), comparable(scenario.fsck_metadata_only))
    const { repo, ...oci } = await checkOciRepository(repository)
    const { repo: expectedRepo, ...expectedOci } = scenario.oci_fsck
    assert.equal(comparable(oci), comparable(expectedOci))
    assert.equal(comparable(repo), comparable(expectedRepo))
    if (scenario.meta_json_after !== undefined) {
      assert.equal(readFileSync(`${path}/meta.json`, 'utf8'), scenario.meta_json_after)
    }
  })
}

for (const vector of corruptCases()) {
  test(`fsck: ${vector.file}`, async (t) => {
    const repository = await corruptRepository(t, vector)
    const { ok, streams_corrupted, missing_objects, errors } = await checkRepository(repository)
    // Where the reference crashes there is no report to compare with: the stream cannot be opened.
    const expected = vector.fsck.errors === undefined ? unreadable : vector.fsck
    assert.deepEqual(
      { ok, streams_corrupted, missing_objects, errors: errors.map(withoutReason) },
      {
        ok: expected.ok,
        streams_corrupted: expected.streams_corrupted,
        missing_objects: expected.missing_objects,
        errors: expected.errors!.map(withoutReason),
      },
    )
  })
}

const unreadable = {
  ok: false,
  streams_corrupted: 1,
  missing_objects: 0,
  errors: ['fsck: stream-open-failed: streams/test'],
}

test('the objects of an image are those the reference lists', async (t) => {
  using repository = await Repository.open(unpackScenario(t), { insecure: true })
  const { algorithm } = repository
  for (const [image, expected] of Object.entries(readScenarios().image_objects)) {
    const bytes = repository.objects.read(parseObjectId(algorithm, image), MAX_IMAGE_SIZE)
    const objects = listErofsObjects(openErofs(bytes), algorithm)
    assert.deepEqual(
      objects.map((id) => `${algorithm}:${id}`),
      expected.toSorted(),
    )
  }
})
