/** The ostree repositories of the golden vectors, unpacked. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext } from 'node:test'
import { temporaryDirectory } from './temporary.js'
import { vectorPath } from './vectors.js'

/** Unpacks `NAME.tar.gz` for one test, which may change it, and gives the path of the repository. */
export function unpackOstree(t: TestContext, name: string): string {
  return unpackInto(temporaryDirectory(t), name)
}

const unpacked = new Map<string, string>()

/** As `unpackOstree`, but once for all tests of a file, which leave it as it is. */
export function ostreeVector(name: string): string {
  const known = unpacked.get(name)
  if (known !== undefined) return known
  const directory = mkdtempSync(join(tmpdir(), 'sluice-test-ostree-'))
  after(() => rmSync(directory, { recursive: true, force: true }))
  unpacked.set(name, unpackInto(directory, name))
  return unpacked.get(name)!
}

function unpackInto(directory: string, name: string): string {
  const args = ['--xattrs', '--xattrs-include=*', '-xpzf', vectorPath('ostree', `${name}.tar.gz`), '-C', directory]
  execFileSync('tar', args)
  return join(directory, name)
}
