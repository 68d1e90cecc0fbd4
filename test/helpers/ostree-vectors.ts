/** The ostree repositories of the golden vectors, unpacked. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext } from 'node:test'
import { temporaryDirectory } from './temporary.js'
import { vectorPath } from './vectors.js'

/** Unpacks `NAME.tar.gz` for one test, which may change it, and gives the path of the repository. */
export function unpackOstree(t: TestContext, name: string): string {
  return unpackInto(temporaryDirectory(t), name)
}

/** The repository of the scenario `name` of `http`, which is for the directory `dir`, as the README of the vectors says. */
export function unpackScenario(t: TestContext, name: string, { dir }: { readonly dir: string }): string {
  const archive = unpackOstree(t, 'archive')
  if (dir === 'archive') return archive
  for (const file of ['summary', 'summary.sig']) rmSync(join(archive, file))
  if (name !== 'no-summary-delta-index') rmSync(join(archive, 'delta-indexes'), { recursive: true })
  if (name !== 'indexed-summary') return archive
  copyFileSync(vectorPath('ostree', 'summary.idx'), join(archive, 'summary.idx'))
  mkdirSync(join(archive, 'summaries'))
  const digest = 'c7a6c244f25cd53c2d790bb06d1e62be9e5ac1f4073187a20d19b18a3d9f7979'
  copyFileSync(vectorPath('ostree', `${digest}.gz`), join(archive, `summaries/${digest}.gz`))
  return archive
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
