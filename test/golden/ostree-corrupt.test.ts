/** Damaged and hostile repositories: the required verdicts, and nothing left behind (vectors/ostree/corrupt.json). */
import assert from 'node:assert/strict'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { SluiceError } from '../../src/errors.js'
import { pullOstreeCommit } from '../../src/pipelines/pull-ostree.js'
import type { OstreePullResult } from '../../src/pipelines/ostree-events.js'
import type { Repository } from '../../src/repository/repository.js'
import { openLocalOstree } from '../../src/stages/ostree/local-source.js'
import { openRemoteOstree } from '../../src/stages/ostree/remote-source.js'
import { serveOstree } from '../helpers/ostree-server.js'
import { unpackOstree } from '../helpers/ostree-vectors.js'
import { temporaryRepository } from '../helpers/temporary.js'
import { readJsonVector } from '../helpers/vectors.js'

interface CorruptCase {
  name: string
  cmd: string[]
  http?: boolean
  prep?: string[][]
  patch?: Record<string, string>
  delete?: string[]
  oracle: { rc: number; stdout: string[] }
  sluice: 'accept' | 'reject' | 'either'
}

const document = readJsonVector<CorruptCase[] | { cases: CorruptCase[] }>('ostree', 'corrupt.json')
const cases = Array.isArray(document) ? document : document.cases

const commitStreams = (repository: Repository): string[] =>
  repository.streams
    .entries()
    .map(({ name }) => name)
    .filter((name) => name.startsWith('ostree-commit-'))

const imageLine = (lines: readonly string[]): string | undefined =>
  lines.find((line) => line.startsWith('image '))?.slice('image   '.length)

for (const { name, cmd, http, prep, patch, delete: removed, oracle, sluice } of cases) {
  test(`${name}: ${sluice}`, async (t) => {
    const archive = unpackOstree(t, 'archive')
    const repository = await temporaryRepository(t)
    for (const [path, content] of Object.entries(patch ?? {})) {
      mkdirSync(dirname(join(archive, path)), { recursive: true })
      writeFileSync(join(archive, path), Buffer.from(content, 'base64'))
    }
    const server = http === true ? await serveOstree(t, archive) : undefined
    const run = async ([verb, ...words]: string[]): Promise<OstreePullResult> => {
      assert.ok(verb === 'pull' || verb === 'pull-local', verb)
      const ref = words.at(-1)!
      const open = async () =>
        server === undefined
          ? openLocalOstree(archive)
          : openRemoteOstree(repository, server.url, { env: {}, retry: { tries: 1 } })
      return pullOstreeCommit(repository, open, {
        ref,
        parity: true,
        threads: 0,
        deltas: !words.includes('--no-delta'),
      })
    }
    for (const words of prep ?? []) await run(words)
    for (const path of removed ?? []) rmSync(join(archive, path))
    const before = commitStreams(repository)
    let result: OstreePullResult | undefined
    try {
      result = await run(cmd)
    } catch (error) {
      assert.ok(error instanceof SluiceError, String(error))
      assert.notEqual(error.code, 'SLUICE_FAILED', error.message)
    }
    // What a delta fails to give may come as objects, if it is what it should be.
    const throughObjects = name.startsWith('delta-') && name !== 'delta-fallback-missing'
    if (sluice === 'accept') assert.ok(result !== undefined)
    if (sluice === 'reject' && !throughObjects) assert.equal(result, undefined)
    if (result === undefined) {
      assert.deepEqual(commitStreams(repository), before)
      assert.deepEqual(repository.streams.refs('ostree'), [])
    } else if (oracle.rc === 0) assert.equal(result.image, imageLine(oracle.stdout))
  })
}
