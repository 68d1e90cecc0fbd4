/**
 * What a crash of the machine leaves of a pull: objects whose names were in the journal, but not their content. No stream
 * refers to them yet (repository.md §2.9), so it is for the next pull not to take them for what they should be.
 */
import assert from 'node:assert/strict'
import { readdirSync, rmSync, statSync, truncateSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkRepository } from '../../src/pipelines/fsck.js'
import type { Repository } from '../../src/repository/repository.js'
import { contentOf, pullLayout, smallLayout, withRepository } from '../helpers/faults-repository.js'
import { temporaryDirectory, temporaryRepository } from '../helpers/temporary.js'

/** Seconds. */
const tomorrow = (): number => Date.now() / 1000 + 86_400

type Damage = (path: string, size: number) => void

const damages: readonly (readonly [string, Damage])[] = [
  ['are empty', (path) => truncateSync(path)],
  ['lack a half', (path, size) => truncateSync(path, Math.floor(size / 2))],
  ['lack a byte', (path, size) => truncateSync(path, size - 1)],
  [
    'read as zeros, from before this boot',
    (path, size) => {
      writeFileSync(path, Buffer.alloc(size))
      utimesSync(path, 1000, 1000)
    },
  ],
  [
    'read as zeros, from before the clock was set back',
    (path, size) => {
      writeFileSync(path, Buffer.alloc(size))
      utimesSync(path, tomorrow(), tomorrow())
    },
  ],
]

for (const [name, damage] of damages) {
  test(`objects without references ${name}: a pull stores them again`, async (t) => {
    const layout = await smallLayout(join(temporaryDirectory(t), 'layout'))
    const repository = await temporaryRepository(t)
    const { images } = await pullLayout(repository, layout, 'v1')
    const expected = contentOf(repository.path)
    for (const links of ['streams', 'images']) rmSync(join(repository.path, links), { recursive: true })
    for (const path of objectsOf(repository)) damage(path, statSync(path).size)

    assert.deepEqual((await pullLayout(repository, layout, 'v1')).images, images)
    assert.deepEqual((await checkRepository(repository)).errors, [])
    assert.deepEqual(contentOf(repository.path), expected)
  })
}

for (const [when, streamTime, isUsed] of [
  ['not older', () => 2000, true],
  ['of a time to come', tomorrow, false],
] as const) {
  const outcome = isUsed ? 'used as they are' : 'stored again'
  test(`objects from before this boot are ${outcome}, if a stream that is ${when} has a name`, async (t) => {
    const layout = await smallLayout(join(temporaryDirectory(t), 'layout'))
    const path = (await temporaryRepository(t)).path
    await withRepository(path, (repository) => pullLayout(repository, layout, 'v1'))
    await withRepository(path, async (repository) => {
      const layer = repository.streams.entries().find((entry) => entry.name.startsWith('oci-layer-'))!.name
      const stream = repository.streams.objectOf(layer)!
      for (const file of objectsOf(repository)) utimesSync(file, 1000, 1000)
      utimesSync(repository.objects.path(stream), streamTime(), streamTime())
      // All but one of the layers have to be imported again.
      for (const { name } of repository.streams.entries()) if (name !== layer) unlinkSync(repository.streams.path(name))
      const { objects } = await pullLayout(repository, layout, 'v1')
      assert.equal(objects.newObjects === 0, isUsed)
    })
  })
}

function objectsOf({ objects: { directory } }: Repository): string[] {
  const paths = readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((path) => join(directory, path))
  return paths.filter((path) => statSync(path).isFile())
}
