/** Pulls over HTTP with static deltas: requests and counts as the reference's (vectors/ostree/expected.json, `http`), and trouble. */
import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { dictionaryType, valueOf } from '../../src/formats/gvariant/dictionary.js'
import type { Variant } from '../../src/formats/gvariant/value.js'
import { variant } from '../../src/formats/gvariant/write.js'
import { deltaDirectory } from '../../src/formats/ostree/delta-path.js'
import type { OstreeId } from '../../src/formats/ostree/ostree-id.js'
import { readSummary } from '../../src/formats/ostree/summary.js'
import { writeSummary } from '../helpers/ostree-summaries.js'
import { commitStreamName } from '../../src/formats/ostree/ref-name.js'
import { pullOstree } from '../../src/pipelines/pull-ostree.js'
import type { OstreePullOptions, OstreePullResult } from '../../src/pipelines/ostree-events.js'
import type { Repository } from '../../src/repository/repository.js'
import { readStoredCommit } from '../../src/stages/ostree/stored-commit.js'
import { openRemoteOstree } from '../../src/stages/ostree/remote-source.js'
import { objectPath } from '../../src/formats/digest.js'
import { serveOstree, splitLog, type Fault } from '../helpers/ostree-server.js'
import { unpackOstree, unpackScenario } from '../helpers/ostree-vectors.js'
import { temporaryRepository } from '../helpers/temporary.js'
import { hasVector, readJsonVector } from '../helpers/vectors.js'

interface Step {
  readonly cmd: readonly string[]
  readonly rc: number
  readonly stdout: readonly string[]
  readonly requests: readonly string[]
  readonly object_requests: number
}

interface Scenario {
  readonly dir: 'archive' | 'nosum'
  readonly steps: readonly Step[]
}

const skip = !hasVector('ostree') && 'no ostree vectors'
const { http, ids, commits } = readJsonVector<{
  http: Record<string, Scenario>
  ids: Record<'D1' | 'D2', OstreeId>
  commits: Record<string, { commit: OstreeId; results: Record<string, { image: string }> }>
}>('ostree', 'expected.json')
const { D1, D2 } = ids
const imageOf = (id: OstreeId): string =>
  Object.values(commits).find(({ commit }) => commit === id)!.results['sha256/v1'].image

interface Pulled {
  readonly result: OstreePullResult
  readonly warnings: readonly string[]
}

async function pull(
  repository: Repository,
  url: string,
  ref: string,
  options: Partial<OstreePullOptions> = {},
): Promise<Pulled> {
  const remote = {
    env: {},
    subset: 'x86_64',
    retry: { tries: 2, baseDelayMs: 5, maxDelayMs: 20 },
    stallTimeoutMs: 1000,
  }
  const open = async () => openRemoteOstree(repository, url, remote)
  const warnings: string[] = []
  let result: OstreePullResult | undefined
  await pullOstree(repository, open, { ref, parity: true, threads: 0, ...options }).forEach((event) => {
    if (event.type === 'warning') warnings.push(event.text)
    if (event.type === 'completed') result = event.result
  })
  return { result: result!, warnings }
}

const objectsLine = ({ fetched }: OstreePullResult): string =>
  `objects ${fetched.metadata} metadata + ${fetched.files} files ` +
  (fetched.deltaParts > 0 ? `via ${fetched.deltaParts} delta parts` : 'fetched')

const isOfDelta = (line: string): boolean => line.startsWith('/delta')
/** What is asked of summaries depends on steps that are left out here; ostree-http.test.ts has them all. */
const withoutSummaries = (lines: readonly string[]) => lines.filter((line) => !line.startsWith('/summar'))

for (const [name, scenario] of Object.entries(http)) {
  if (name === 'nodelta') continue
  test(`${name}: the requests of each pull`, { skip }, async (t) => {
    const server = await serveOstree(t, unpackScenario(t, name, scenario))
    const repository = await temporaryRepository(t)
    const stored = new Set<OstreeId>()
    for (const { cmd, rc, stdout, requests, object_requests } of scenario.steps) {
      const ref = cmd.at(-1)!
      if (cmd[0] !== 'pull' || cmd.length !== 3 || ref === 'nosuch') continue
      server.log.length = 0
      const { result, warnings } = await pull(repository, server.url, ref)
      assert.deepEqual(warnings, [])
      assert.equal(result.image, imageOf(result.commit))
      const log = splitLog(server.log)
      if (stored.has(result.commit)) {
        // Nothing is to be done (ostree.md §3.7), so nothing but the ref is asked for.
        assert.deepEqual(result.fetched, { metadata: 0, files: 0, deltaParts: 0 })
        assert.deepEqual([log.requests.filter(isOfDelta), log.objects], [[], 0])
      } else if (rc === 0) {
        assert.deepEqual(withoutSummaries(log.requests), withoutSummaries(requests))
        assert.equal(log.objects, object_requests)
        assert.equal(objectsLine(result), stdout.at(-1))
      } else {
        // A defect of the reference (vectors/ostree/README.md).
        assert.equal(result.fetched.deltaParts, 1)
      }
      stored.add(result.commit)
    }
  })
}

const part = (path: string): boolean => /^\/deltas\/.*\/0$/.test(path)
const superblock = (path: string): boolean => path.startsWith('/deltas/') && path.endsWith('/superblock')

function onDelta(which: (path: string) => boolean, change: (body: Buffer) => Buffer | undefined): Fault {
  return (request, response, body) => {
    if (!which(request.url!)) return false
    const changed = change(body!)
    if (changed === undefined) response.writeHead(404).end()
    else response.writeHead(200, { 'content-length': changed.length }).end(changed)
    return true
  }
}

function flipped(body: Buffer): Buffer {
  const wrong = Buffer.from(body)
  wrong[wrong.length >> 1] ^= 1
  return wrong
}

for (const [what, fault, said] of [
  ['a part is missing', onDelta(part, () => undefined), /404/],
  ['a part is damaged', onDelta(part, flipped), /part 0 .* checksum/],
  ['the superblock is missing', onDelta(superblock, () => undefined), undefined],
  ['the superblock is damaged', onDelta(superblock, flipped), /superblock .* checksum/],
  ['the superblock is empty', onDelta(superblock, () => Buffer.alloc(0)), /superblock .* checksum/],
] as const) {
  test(`${what}: the objects are fetched one by one`, { skip }, async (t) => {
    const server = await serveOstree(t, unpackOstree(t, 'archive'))
    server.fault = fault
    const repository = await temporaryRepository(t)
    const { result, warnings } = await pull(repository, server.url, D1)
    assert.equal(result.image, imageOf(D1))
    assert.deepEqual(result.fetched, { metadata: 8, files: 9, deltaParts: 0 })
    if (said === undefined) assert.deepEqual(warnings, [])
    else assert.match(warnings.join('\n'), said)
  })
}

test('the superblock of another delta in its place is refused, whoever lists it', { skip }, async (t) => {
  const archive = unpackOstree(t, 'archive')
  const path = (ends: Parameters<typeof deltaDirectory>[0]) => join(archive, deltaDirectory(ends), 'superblock')
  const [scratch, update] = [{ to: D1 }, { from: D1, to: D2 }].map((ends) => readFileSync(path(ends)))
  const server = await serveOstree(t, archive)
  server.fault = onDelta(superblock, (body) => (body.equals(scratch) ? update : scratch))
  const repository = await temporaryRepository(t)
  const { result, warnings } = await pull(repository, server.url, D1)
  assert.deepEqual([result.image, result.fetched.deltaParts], [imageOf(D1), 0])
  assert.match(warnings[0], /checksum/)
})

const listed = (digest: string): Variant => variant('ay', Buffer.from(digest, 'hex'))

for (const [what, name, value, said] of [
  ['another name', 'nonsense', listed('00'), undefined],
  ['a name of three', `${D1}-${D1}-${D1}`, listed('00'), undefined],
  ['the digest of another delta empty', `${D1}-${D2}`, listed(''), undefined],
  ['the digest of another delta a string', `${D1}-${D2}`, variant('s', 'x'), undefined],
  ['its own digest too short', D1, listed('00'), /superblock .* checksum/],
] as const) {
  test(`a summary that lists ${what}: other entries are as good as ever`, { skip }, async (t) => {
    const archive = unpackOstree(t, 'archive')
    const path = join(archive, 'summary')
    const { refs, metadata } = readSummary(readFileSync(path))
    const changed = metadata.map(([key, all]) => {
      if (key !== 'ostree.static-deltas') return [key, all] as const
      const others = valueOf(all, dictionaryType)!.filter(([other]) => other !== name)
      return [key, variant('a{sv}', [[name, value], ...others])] as const
    })
    writeFileSync(path, writeSummary({ refs, metadata: changed }))
    const server = await serveOstree(t, archive)
    const { result, warnings } = await pull(await temporaryRepository(t), server.url, D1)
    assert.equal(result.image, imageOf(D1))
    assert.equal(result.fetched.deltaParts, said === undefined ? 1 : 0)
    assert.match(warnings.join('\n'), said ?? /^$/)
    assert.ok(!server.log.some((line) => line.startsWith('/delta-indexes/')))
  })
}

test('a base is not looked for if there is a delta', { skip }, async (t) => {
  const { url } = await serveOstree(t, unpackOstree(t, 'archive'))
  const repository = await temporaryRepository(t)
  await assert.rejects(pull(repository, url, D1, { base: 'nowhere', deltas: false }), { code: 'SLUICE_NOT_FOUND' })
  const { result } = await pull(repository, url, D1, { base: 'nowhere' })
  assert.ok(result.fetched.deltaParts > 0)
  // The same where the commit is there.
  await pull(repository, url, D1, { base: 'nowhere' })
  await assert.rejects(pull(repository, url, D1, { base: 'nowhere', deltas: false }), { code: 'SLUICE_NOT_FOUND' })
})

test('a base that lacks an object is not used', { skip }, async (t) => {
  const server = await serveOstree(t, unpackOstree(t, 'archive'))
  const repository = await temporaryRepository(t)
  await pull(repository, server.url, D1)
  const base = await readStoredCommit(repository, commitStreamName(D1))
  rmSync(join(repository.path, 'objects', objectPath(base.externals.at(0))))
  const { result, warnings } = await pull(repository, server.url, D2)
  assert.deepEqual([result.image, result.fetched.deltaParts, warnings], [imageOf(D2), 0, []])
})

test('with a delta and without one the commit stream is the same', { skip }, async (t) => {
  const server = await serveOstree(t, unpackOstree(t, 'archive'))
  const repository = await temporaryRepository(t)
  await pull(repository, server.url, D1)
  const { result } = await pull(repository, server.url, D2)
  const direct = await temporaryRepository(t)
  server.fault = onDelta(superblock, () => undefined)
  const plain = (await pull(direct, server.url, D2)).result
  assert.deepEqual([result.verity, result.image], [plain.verity, plain.image])
  assert.deepEqual([result.fetched.deltaParts, plain.fetched.deltaParts], [1, 0])
})
