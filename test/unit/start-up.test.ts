/**
 * What is loaded before a command runs. Every file costs about half a millisecond, and an outside package 3 to 190 ms, so a
 * command that has little to do must not load what others need.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { test } from 'node:test'
import { sluice } from '../helpers/cli.js'
import { projectRoot } from '../helpers/vectors.js'

const staticImport = /^(?:import|export)\s+(?!type\b)(?:[\w$]+\s*,?\s*)?(?:\*|\{[^}]*\})?\s*from\s+'([^']+)'/gm

/** The files below src that `path` loads, itself included, and the outside packages. */
function loadedBy(path: string, files = new Set<string>(), packages = new Set<string>()) {
  files.add(path)
  const text = readFileSync(join(projectRoot, 'src', path), 'utf8')
  for (const [, from] of text.matchAll(staticImport)) {
    const file = posix.join(posix.dirname(path), from).replace(/\.js$/, '.ts')
    if (!from.startsWith('.')) packages.add(from)
    else if (!files.has(file)) loadedBy(file, files, packages)
  }
  const outside = [...packages].filter((name) => !name.startsWith('node:'))
  return { files: [...files], outside: outside.sort() }
}

test('the command line starts with nothing but itself', () => {
  const { files, outside } = loadedBy('cli/main.ts')
  assert.deepEqual(outside, ['commander'])
  assert.deepEqual(
    files.filter((path) => !path.startsWith('cli/') && path !== 'errors.ts'),
    [],
  )
})

test('repositories are opened and their images listed without an outside package', () => {
  for (const path of ['index/repository.ts', 'index/images.ts', 'index/values.ts']) {
    assert.deepEqual(loadedBy(path).outside, [], path)
  }
})

test('commands that were not loaded are in the help, and suggested', async () => {
  const [top, oci, wrong] = await Promise.all([sluice(['--help']), sluice(['oci', '--help']), sluice(['oci', 'imags'])])
  for (const name of ['pull', 'images', 'composefs-info']) assert.match(top.stdout, new RegExp(`^  ${name}\\b`, 'm'))
  for (const name of ['pull', 'compute-id', 'fsck']) assert.match(oci.stdout, new RegExp(`^  ${name} .*\\w`, 'm'))
  assert.equal(wrong.status, 2)
  assert.match(wrong.stderr, /Did you mean images\?/)
})
