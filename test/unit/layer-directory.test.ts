import assert from 'node:assert/strict'
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { libcAvailable } from '../../src/native/libc.js'
import { LayerDirectory } from '../../src/stages/containers-storage/layer-directory.js'
import { temporaryDirectory } from '../helpers/temporary.js'

const openDirectory = (path: string): LayerDirectory =>
  new LayerDirectory(openSync(path, constants.O_RDONLY | constants.O_DIRECTORY))

/** What a path leads to: the text of the file, or why there is none. */
function found(directory: LayerDirectory, path: string): string {
  const { value, errno } = directory.open(path)
  if (errno !== undefined) return errno
  try {
    return readFileSync(value, 'latin1')
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code)
  } finally {
    closeSync(value)
  }
}

const descriptors = (): number => readdirSync('/proc/self/fd').length

const skip = libcAvailable() ? false : 'no native code: links are not followed'

test('a file is found whatever was opened before it, and never outside', { skip }, (t) => {
  const scratch = temporaryDirectory(t)
  writeFileSync(join(scratch, 'secret'), 'secret')
  const root = join(scratch, 'diff')
  const directories = ['', 'a', 'a/b', 'a/b/c', 'a/bb', 'd']
  for (const directory of directories) {
    mkdirSync(join(root, directory), { recursive: true })
    writeFileSync(join(root, directory, 'file'), `in ${directory}`)
  }
  const links = {
    'a/up': '..',
    'a/absolute': '/d',
    'a/b/out': '../../../..',
    loop: 'loop',
    'd/file2': 'file',
    e: 'a/b',
  }
  for (const [path, target] of Object.entries(links)) symlinkSync(target, join(root, path))
  const parents = [...directories, ...Object.keys(links), 'e/c', 'a/up/d', 'a/absolute/no', 'no', 'a/file']
  const names = ['file', 'file2', 'secret', 'no', 'b']
  const paths = parents.flatMap((parent) => names.map((name) => (parent === '' ? name : `${parent}/${name}`)))
  const expected = new Map(
    paths.map((path) => {
      const directory = openDirectory(root)
      const text = found(directory, path)
      directory.close()
      return [path, text]
    }),
  )
  assert.equal(expected.get('a/up/d/file'), 'in d')
  assert.equal(expected.get('a/absolute/file'), 'in d')
  assert.equal(expected.get('e/c/file'), 'in a/b/c')
  assert.equal(expected.get('a/b/out/secret'), 'ENOENT')
  assert.ok(![...expected.values()].includes('secret'))

  const before = descriptors()
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...paths), { maxLength: 30 }), (order) => {
      const directory = openDirectory(root)
      try {
        for (const path of order) assert.equal(found(directory, path), expected.get(path), order.join(' '))
      } finally {
        directory.close()
      }
    }),
    { numRuns: 300 },
  )
  assert.equal(descriptors(), before)
})

test('of deep directories only a few stay open', (t) => {
  const root = temporaryDirectory(t)
  const before = descriptors()
  const directory = openDirectory(root)
  const parts = Array.from({ length: 60 }, (_, depth) => `d${depth}`)
  for (let depth = 1; depth <= parts.length; depth++) {
    const path = parts.slice(0, depth).join('/')
    mkdirSync(join(root, path))
    writeFileSync(join(root, path, 'file'), path)
    assert.equal(found(directory, `${path}/file`), path)
    assert.ok(descriptors() <= before + 17)
  }
  for (let depth = parts.length; depth > 0; depth--) {
    const path = parts.slice(0, depth).join('/')
    assert.equal(found(directory, `${path}/file`), path)
  }
  directory.close()
  assert.equal(descriptors(), before)
})
