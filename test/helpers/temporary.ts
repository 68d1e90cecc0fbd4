/** Temporary directories and repositories that go when their test ends. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { HashAlgorithm } from '../../src/formats/digest.js'
import { initRepository } from '../../src/repository/init.js'
import type { ErofsVersion } from '../../src/formats/erofs/format.js'
import { Repository } from '../../src/repository/repository.js'

export function temporaryDirectory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'sluice-test-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

export interface RepositoryOptions {
  readonly algorithm?: HashAlgorithm
  readonly erofsVersion?: ErofsVersion
}

/** A new insecure repository, open; closed when the test ends. */
export async function temporaryRepository(t: TestContext, options: RepositoryOptions = {}): Promise<Repository> {
  const path = join(temporaryDirectory(t), 'repo')
  const { algorithm = 'sha256', erofsVersion = 1 } = options
  await initRepository(path, { algorithm, erofsVersion, insecure: true })
  const repository = await Repository.open(path, { insecure: true })
  t.after(() => repository.close())
  return repository
}
