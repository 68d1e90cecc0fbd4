/** Pulls of the ostree vectors from local repositories: the reference's images, references and counts (vectors/ostree/README.md). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { objectPath, type HashAlgorithm } from '../../src/formats/digest.js'
import type { OstreeId } from '../../src/formats/ostree/ostree-id.js'
import { commitStreamName } from '../../src/formats/ostree/ref-name.js'
import { pullOstreeCommit } from '../../src/pipelines/pull-ostree.js'
import type { OstreePullOptions, OstreePullResult } from '../../src/pipelines/ostree-events.js'
import type { ErofsVersion } from '../../src/formats/erofs/format.js'
import type { Repository } from '../../src/repository/repository.js'
import { openLocalOstree } from '../../src/stages/ostree/local-source.js'
import { readInline, readStoredCommit } from '../../src/stages/ostree/stored-commit.js'
import { unpackOstree } from '../helpers/ostree-vectors.js'
import { temporaryRepository } from '../helpers/temporary.js'
import { hasVector, readJsonVector, readVector } from '../helpers/vectors.js'

interface Result {
  image: string
  stats: string
  n_ostree_objects?: number
  external_refs_in_order?: string[]
  image_size?: number
  inline_bytes?: number
}

interface Expected {
  ids: Record<'C1' | 'C2' | 'D1' | 'D2', string>
  commits: Record<string, { repo: string; commit: OstreeId; ref: string | null; results: Record<string, Result> }>
  modes: Record<string, { ref: string; commit: string; image: string; objects: string }>
}

const expected = readJsonVector<Expected>('ostree', 'expected.json')

type Pull = Partial<OstreePullOptions> & { readonly ref: string }

const pull = (repository: Repository, path: string, options: Pull): Promise<OstreePullResult> =>
  pullOstreeCommit(repository, async () => openLocalOstree(path), { parity: true, threads: 0, ...options })

const objectsLine = ({ fetched }: OstreePullResult): string =>
  `${fetched.metadata} metadata + ${fetched.files} files fetched`

for (const [name, { repo, commit, ref, results }] of Object.entries(expected.commits)) {
  test(
    `commit ${name}: ids for each algorithm and format`,
    { skip: !hasVector('ostree', `${repo}.tar.gz`) },
    async (t) => {
      const path = unpackOstree(t, repo)
      for (const [variant, result] of Object.entries(results)) {
        const [, algorithm, version] = /^(sha256|sha512)\/v([012])$/.exec(variant)!
        const repository = await temporaryRepository(t, {
          algorithm: algorithm as HashAlgorithm,
          erofsVersion: Number(version) as ErofsVersion,
        })
        const pulled = await pull(repository, path, { ref: ref ?? commit })
        assert.equal(pulled.commit, commit, variant)
        assert.equal(pulled.image, result.image, variant)
        assert.equal(objectsLine(pulled), result.stats, variant)
        const stored = await readStoredCommit(repository, commitStreamName(commit))
        assert.equal(stored.image, result.image, variant)
        if (result.external_refs_in_order === undefined) continue
        assert.deepEqual([...stored.externals], result.external_refs_in_order, variant)
        assert.equal(stored.payload.count, result.n_ostree_objects, variant)
        const stream = repository.openStream(commitStreamName(commit))
        assert.equal((await readInline(stream, name)).length, result.inline_bytes, variant)
        stream.close()
      }
    },
  )
}

for (const [mode, { ref, commit, image, objects }] of Object.entries(expected.modes)) {
  // Only the superuser unpacks other owners, and attributes of the system.
  const needsRoot = mode === 'bare' || mode === 'bare-split-xattrs'
  const skip = !hasVector('ostree', `${mode}.tar.gz`) || (needsRoot && process.getuid?.() !== 0)
  test(`mode ${mode} gives what an archive gives`, { skip }, async (t) => {
    const repository = await temporaryRepository(t)
    // With threads, as the others are without.
    const pulled = await pull(repository, unpackOstree(t, mode), { ref, threads: 2 })
    assert.deepEqual([pulled.commit, pulled.image, objectsLine(pulled)], [commit, image, objects])
  })
}

for (const algorithm of ['sha256', 'sha512'] as const) {
  test(`the payload of the stream is that of the reference (${algorithm})`, async (t) => {
    const repository = await temporaryRepository(t, { algorithm })
    await pull(repository, unpackOstree(t, 'archive'), { ref: 'alpha/main' })
    const name = 'refs/ostree/alpha%2Fmain'
    const stream = repository.openStream(name)
    assert.deepEqual(await readInline(stream, name), readVector('ostree', `commit-stream.${algorithm}.inline.bin`))
    assert.deepEqual([...stream.namedRefs], [['composefs.image', stream.streamRefs[0]]])
    stream.close()
  })
}

test('a parent that is there is a base; so is a commit that is named', async (t) => {
  const archive = unpackOstree(t, 'archive')
  const byParent = await temporaryRepository(t)
  assert.equal(objectsLine(await pull(byParent, archive, { ref: expected.ids.C1 })), '17 metadata + 39 files fetched')
  assert.equal(objectsLine(await pull(byParent, archive, { ref: 'alpha/main' })), '5 metadata + 3 files fetched')

  const byName = await temporaryRepository(t)
  await pull(byName, archive, { ref: 'alpha/main' })
  const second = await pull(byName, unpackOstree(t, 'buo-archive'), { ref: 'alpha/user', base: 'alpha/main' })
  assert.equal(objectsLine(second), '8 metadata + 8 files fetched')
  assert.equal(second.image, expected.modes['bare-user-only'].image)
  await assert.rejects(pull(byName, archive, { ref: 'delta', base: 'nosuch' }), { code: 'SLUICE_NOT_FOUND' })
  // Nor is it passed over where the commit is there.
  await assert.rejects(pull(byName, archive, { ref: 'alpha/main', base: 'nosuch' }), { code: 'SLUICE_NOT_FOUND' })
})

test('a commit that is there is not fetched again, and its ref is set', async (t) => {
  const archive = unpackOstree(t, 'archive')
  const repository = await temporaryRepository(t)
  const first = await pull(repository, archive, { ref: expected.ids.C2.toUpperCase() })
  assert.equal(first.tag, undefined)
  const second = await pull(repository, archive, { ref: 'heads/alpha/main' })
  assert.equal(objectsLine(second), '0 metadata + 0 files fetched')
  assert.equal(second.image, first.image)
  assert.equal(second.verity, repository.streams.objectOf(commitStreamName(first.commit)))
  const link = readlinkSync(join(repository.path, 'streams/refs/ostree/heads%2Falpha%2Fmain'))
  assert.equal(link, `../../${commitStreamName(first.commit)}`)
  await assert.rejects(pull(repository, archive, { ref: 'refs/heads/alpha/main' }), { code: 'SLUICE_NOT_FOUND' })
})

test('a commit whose image is gone gets it back; one that lacks an object is pulled again', async (t) => {
  const archive = unpackOstree(t, 'archive')
  const repository = await temporaryRepository(t)
  const { image, commit } = await pull(repository, archive, { ref: 'alpha/main' })
  rmSync(join(repository.path, 'images', image))
  const again = await pull(repository, archive, { ref: 'alpha/main' })
  assert.deepEqual([again.image, objectsLine(again)], [image, '0 metadata + 0 files fetched'])
  assert.equal(repository.images.objectOf(image), image)

  const { externals } = await readStoredCommit(repository, commitStreamName(commit))
  rmSync(join(repository.path, 'objects', objectPath(externals.at(0))))
  const repaired = await pull(repository, archive, { ref: 'alpha/main' })
  assert.deepEqual([repaired.image, objectsLine(repaired)], [image, '17 metadata + 40 files fetched'])
  assert.equal(repository.objects.has(externals.at(0)), true)
})

test('a commit whose stream is damaged is pulled again, and sound from then on', async (t) => {
  const source = unpackOstree(t, 'bare-user-only')
  const { ref, commit } = expected.modes['bare-user-only']
  const repository = await temporaryRepository(t)
  const { image } = await pull(repository, source, { ref })
  const path = repository.objects.path(repository.streams.objectOf(commitStreamName(commit as OstreeId))!)
  const sound = readFileSync(path)
  const frame = sound.lastIndexOf(Buffer.from([0x28, 0xb5, 0x2f, 0xfd]))
  // The magic number, a section's place, the first object's id, the frame, its block, and the last entropy-coded bits.
  const places = { magic: 0, section: 40, frame, block: frame + 7, tables: frame + 9, end: sound.length - 100 }
  for (const [place, at] of Object.entries(places)) {
    const damaged = Buffer.from(sound)
    damaged[at] ^= 0xff
    writeFileSync(path, damaged)
    const again = await pull(repository, source, { ref })
    assert.deepEqual([again.image, again.fetched.files > 0], [image, true], place)
    assert.ok(readFileSync(path).equals(sound), place)
  }
})

test('without parity the names of xattrs are right, and other images are the same', async (t) => {
  const repository = await temporaryRepository(t)
  const options = { parity: false }
  const withXattrs = await pull(repository, unpackOstree(t, 'archive'), { ref: 'alpha/main', ...options })
  assert.notEqual(withXattrs.image, expected.commits['alpha2'].results['sha256/v1'].image)
  const without = await pull(repository, unpackOstree(t, 'buo-archive'), { ref: 'alpha/user', ...options })
  assert.equal(without.image, expected.modes['bare-user-only'].image)
})
