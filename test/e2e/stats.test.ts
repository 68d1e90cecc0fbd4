/** `stats` as a process. */
import assert from 'node:assert/strict'
import { symlinkSync, unlinkSync } from 'node:fs'
import { test } from 'node:test'
import { sluice } from '../helpers/cli.js'
import { storeNamedLayer, storeTaggedImage } from '../helpers/stored-images.js'
import { temporaryRepository } from '../helpers/temporary.js'

test('a table for people, JSON for programs, and errors that say what is wrong', async (t) => {
  const repository = await temporaryRepository(t)
  const file = (size: number) => repository.objects.store(Buffer.alloc(size, size % 251)).id
  const base = await storeNamedLayer(repository, [file(5000), file(100)])
  const top = await storeNamedLayer(repository, [file(300_000)])
  const { manifestDigest } = await storeTaggedImage(repository, 'app', [base, top], ['app/x:1'])
  await storeTaggedImage(repository, 'base', [base])
  const run = (...args: string[]) => sluice(['--repo', repository.path, '--insecure', 'stats', ...args])

  const table = await run('--largest', '1')
  assert.deepEqual([table.status, table.stderr], [0, ''])
  const lines = table.stdout.split('\n')
  assert.match(lines[1], /^│ NAME +┆ LAYERS ┆ FILES ┆ SIZE +┆ UNIQUE ┆ SIZE +┆ SHARED ┆ SIZE +┆ FREED +│$/)
  assert.match(lines[3], /^│ app\/x:1 ┆ 2 +┆ 3 +┆ 297\.95 KiB ┆ 1 +┆ 292\.97 KiB ┆ 2 +┆ 4\.98 KiB ┆ \d+\.\d\d KiB │$/)
  assert.match(lines[5], /^│ base +┆ 1 +┆ 2 +┆ +4\.98 KiB ┆ 0 +┆ +0 B ┆ 2 +┆ 4\.98 KiB ┆ +\d+\.\d\d KiB │$/)
  assert.match(table.stdout, /\nsaved by layers {5}5\.\d\d KiB \(1\.\d %\)\n/)
  assert.match(table.stdout, /\n│ 292\.97 KiB ┆ \w{12} ┆ file ┆ app\/x:1 ┆ \/file2 │\n/)

  const { status, stdout } = await run('--json', '--largest', '2')
  assert.equal(status, 0)
  const stats = JSON.parse(stdout) as {
    refs: Record<string, unknown>[]
    repository: { missing_objects: number; unique_files: object }
    deduplication: object
    largest_objects: Record<string, unknown>[]
  }
  assert.deepEqual(
    { ...stats.refs[0], freed: undefined },
    {
      name: 'app/x:1',
      kind: 'oci',
      manifest_digest: manifestDigest,
      commit: null,
      layers: 2,
      files: { count: 3, bytes: 305_100 },
      unique_files: { count: 1, bytes: 300_000 },
      shared_files: { count: 2, bytes: 5100 },
      freed: undefined,
    },
  )
  assert.deepEqual(stats.repository.unique_files, { count: 1, bytes: 300_000 })
  assert.deepEqual(Object.keys(stats.deduplication), [
    'separate_bytes',
    'saved_by_layers_bytes',
    'saved_by_files_bytes',
    'stored_bytes',
  ])
  assert.deepEqual(stats.largest_objects.map(({ bytes, kind }) => [bytes, kind])[0], [300_000, 'file'])
  assert.equal(stats.largest_objects[1]['path'], null, 'an EROFS image is no file')

  symlinkSync('../../oci-manifest-none', repository.streams.path('refs/oci/dangling'))
  const broken = await run()
  assert.equal(broken.status, 5)
  assert.match(broken.stderr, /refs\/oci\/dangling points to streams\/oci-manifest-none, which does not exist/)
  assert.equal((await run('--largest', '0')).status, 2)

  unlinkSync(repository.streams.path('refs/oci/dangling'))
  assert.equal((await sluice(['--repo', repository.path, '--insecure', 'import-image', 'none'])).status, 0)
  const damaged = await run()
  assert.equal(damaged.status, 5)
  assert.match(damaged.stderr, /not a usable composefs image.*\nhint: .*"sluice fsck --repair"/)
})
