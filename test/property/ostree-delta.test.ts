/** Parts of static deltas whose payload is damaged anywhere: refused or carried out, and nothing of them stays behind. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { SluiceError } from '../../src/errors.js'
import { partCompression, readPartPayload } from '../../src/formats/ostree/delta/part.js'
import { readSuperblock } from '../../src/formats/ostree/delta/superblock.js'
import { ObjectCollection } from '../../src/formats/ostree/object-collection.js'
import { commitStreamName } from '../../src/formats/ostree/ref-name.js'
import { lzmaUsable } from '../../src/native/lzma.js'
import { pullOstreeCommit } from '../../src/pipelines/pull-ostree.js'
import { TEMPORARY_PREFIX } from '../../src/repository/temporary-object.js'
import { noObjects } from '../../src/stages/object/object-batch.js'
import { openLocalOstree } from '../../src/stages/ostree/local-source.js'
import { readStoredCommit } from '../../src/stages/ostree/stored-commit.js'
import { applyPart } from '../../src/stages/ostree-delta/apply-part.js'
import { BaseContents } from '../../src/stages/ostree-delta/base-contents.js'
import { decompressXz } from '../../src/stages/ostree-delta/decompress-xz.js'
import { unpackOstree } from '../helpers/ostree-vectors.js'
import { temporaryRepository } from '../helpers/temporary.js'
import { hasVector, vectorPath } from '../helpers/vectors.js'

const skip = hasVector('ostree')
  ? !lzmaUsable() && 'liblzma is not usable here, or SLUICE_NATIVE=off'
  : 'no ostree vectors'
const signal = new AbortController().signal

for (const name of ['diff-inline.delta', 'diff-nobsdiff.delta']) {
  test(`${name} with bytes changed`, { skip }, async (t) => {
    const file = readFileSync(vectorPath('ostree', 'deltas', name))
    const { parts, from } = readSuperblock({ size: file.length, read: (at, length) => file.subarray(at, at + length) })
    const [{ objects: records, inline }] = parts
    const part = file.subarray(inline!.offset, inline!.offset + inline!.length)
    assert.equal(partCompression(part[0]), 'xz')
    const payload = await decompressXz(part.subarray(1), 64 * 1024 * 1024, signal)

    const repository = await temporaryRepository(t)
    const archive = unpackOstree(t, 'archive')
    await pullOstreeCommit(repository, async () => openLocalOstree(archive), { ref: from!, threads: 0 })
    const base = await readStoredCommit(repository, commitStreamName(from!))
    const apply = async (bytes: Buffer): Promise<ObjectCollection> => {
      const contents = new BaseContents(base, repository.objects)
      const objects = new ObjectCollection()
      try {
        const target = { contents, store: repository.objects, objects, stats: noObjects() }
        await applyPart(readPartPayload(bytes), records, target, signal)
        return objects
      } finally {
        contents.close()
      }
    }
    const whole = await apply(payload)
    assert.equal(whole.count, records.length)

    // Operations and the dictionaries are at the two ends, content between them.
    const end = Math.min(2000, payload.length >> 1)
    const position = fc.oneof(
      fc.nat({ max: end }),
      fc.nat({ max: end }).map((back) => payload.length - 1 - back),
      fc.nat({ max: payload.length - 1 }),
    )
    const changes = fc.array(fc.tuple(position, fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(changes, async (list) => {
        const changed = Buffer.from(payload)
        for (const [at, value] of list) changed[at] ^= value
        try {
          await apply(changed)
        } catch (error) {
          assert.ok(error instanceof SluiceError, String(error))
          assert.notEqual(error.code, 'SLUICE_FAILED', error.message)
        }
      }),
      { numRuns: 80 },
    )
    const again = await apply(payload)
    for (const { id } of records) assert.deepEqual(again.get(id), whole.get(id))
    const files = readdirSync(repository.objects.directory, { recursive: true, encoding: 'utf8' })
    assert.deepEqual(
      files.filter((path) => path.includes(TEMPORARY_PREFIX)),
      [],
    )
  })
}
