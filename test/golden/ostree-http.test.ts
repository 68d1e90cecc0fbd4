/** Pulls over HTTP: what is asked of the server, step by step, and what comes of it (vectors/ostree/expected.json, `http`). */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { basename, dirname, join } from 'node:path'
import { test } from 'node:test'
import { ostreeContentType } from '../../src/formats/ostree/commit-stream-format.js'
import { writeSummaryCache } from '../../src/formats/ostree/summary-cache.js'
import { readSummary } from '../../src/formats/ostree/summary.js'
import { writeSummary } from '../helpers/ostree-summaries.js'
import { listOstreeRefs } from '../../src/pipelines/ostree-refs.js'
import { pullOstreeCommit } from '../../src/pipelines/pull-ostree.js'
import type { OstreePullOptions, OstreePullResult } from '../../src/pipelines/ostree-events.js'
import type { Repository } from '../../src/repository/repository.js'
import { findOstreeRepository } from '../../src/stages/ostree/find-repository.js'
import { inlineStream } from '../../src/stages/ostree/inline-stream.js'
import { openRemoteOstree, type RemoteOptions } from '../../src/stages/ostree/remote-source.js'
import { serveOstree, splitLog, type OstreeServer } from '../helpers/ostree-server.js'
import { unpackOstree, unpackScenario } from '../helpers/ostree-vectors.js'
import { temporaryRepository } from '../helpers/temporary.js'
import { recordWarnings } from '../helpers/warnings.js'
import { readJsonVector, readVector } from '../helpers/vectors.js'

interface Step {
  cmd: string[]
  rc: number
  stdout: string[]
  requests: string[]
  object_requests: number
}

interface Scenario {
  dir: 'archive' | 'nosum'
  steps: Step[]
  summary_streams: string[]
}

const { http, ids } = readJsonVector<{ http: Record<string, Scenario>; ids: Record<string, string> }>(
  'ostree',
  'expected.json',
)
const quick: RemoteOptions = {
  env: {},
  stallTimeoutMs: 1000,
  retry: { tries: 2, baseDelayMs: 5, maxDelayMs: 20 },
  subset: 'x86_64',
}

function pull(
  repository: Repository,
  url: string,
  options: Partial<OstreePullOptions> & { readonly ref: string },
  remote: RemoteOptions = {},
): Promise<OstreePullResult> {
  const open = async () => openRemoteOstree(repository, url, { ...quick, ...remote })
  return pullOstreeCommit(repository, open, { parity: true, threads: 0, deltas: false, ...options })
}

const summaryStreams = (repository: Repository): string[] =>
  repository.streams
    .entries()
    .map(({ name }) => name)
    .filter((name) => name.includes('summary-'))

const isPull = ({ cmd }: Step): boolean => cmd[0] === 'pull'

for (const [name, scenario] of Object.entries(http)) {
  // Where deltas lead to other requests, the steps are played without them.
  test(`${name}: the requests of each step`, async (t) => {
    const server = await serveOstree(t, unpackScenario(t, name, scenario))
    const repository = await temporaryRepository(t)
    for (const step of scenario.steps) {
      server.log.length = 0
      if (step.cmd[0] === 'list-refs') await listRefs(repository, server, step)
      else if (isPull(step)) await playPull(repository, server, step)
      else continue
      const { requests, objects } = splitLog(server.log)
      const wanted = step.requests.filter((line) => !line.startsWith('/delta'))
      const byIdWithoutDeltas = !step.cmd.includes('--no-delta') && /^[0-9a-f]{64}$/.test(step.cmd.at(-1)!)
      assert.deepEqual(requests, byIdWithoutDeltas ? [] : wanted, step.cmd.join(' '))
      if (step.cmd.includes('--no-delta')) assert.equal(objects, step.object_requests, step.cmd.join(' '))
    }
    const host = scenario.summary_streams.map((stream) => stream.replace('HOST', '127.0.0.1'))
    assert.deepEqual(summaryStreams(repository), host)
  })
}

async function listRefsOf(repository: Repository, url: string): Promise<void> {
  const source = openRemoteOstree(repository, url, quick)
  await source.summary(new AbortController().signal)
  await source.close()
}

async function listRefs(repository: Repository, { url }: OstreeServer, { cmd, rc, stdout }: Step): Promise<void> {
  const at = cmd.indexOf('--subset')
  const source = openRemoteOstree(repository, url, { ...quick, ...(at > 0 && { subset: cmd[at + 1] }) })
  const summary = await source.summary(new AbortController().signal)
  await source.close()
  assert.equal(summary === undefined, rc !== 0)
  for (const { name, commit } of summary?.refs ?? []) {
    assert.ok(stdout.some((line) => line.includes(` ${name} `) && line.includes(commit)))
  }
}

async function playPull(repository: Repository, { url }: OstreeServer, { cmd, rc, stdout }: Step): Promise<void> {
  const at = cmd.indexOf('--base-name')
  const options = { ref: cmd.at(-1)!, ...(at > 0 && { base: cmd[at + 1] }) }
  // The oracle's failure by id is a defect (README).
  if (rc !== 0 && options.ref === 'nosuch') {
    await assert.rejects(pull(repository, url, options), { code: 'SLUICE_NOT_FOUND' })
    return
  }
  const { commit, image, tag, fetched } = await pull(repository, url, options)
  if (rc !== 0) return
  const line = (label: string) => stdout.find((text) => text.startsWith(label))?.slice(8)
  assert.deepEqual([commit, image, tag], [line('commit'), line('image'), line('tagged')])
  if (cmd.includes('--no-delta'))
    assert.equal(`${fetched.metadata} metadata + ${fetched.files} files fetched`, line('objects'))
}

test('an entity tag is sent back, and the query and the user of the URL with every request', async (t) => {
  const server = await serveOstree(t, unpackOstree(t, 'archive'), '"first"')
  const repository = await temporaryRepository(t)
  const url = `${server.url.replace('//', '//me:p%40ss@')}/?token=secret`
  await pull(repository, url, { ref: 'alpha/main' })
  const { length } = server.log
  await pull(repository, url, { ref: 'alpha/main' })
  assert.deepEqual(server.log.slice(length), ['/summary.idx?token=secret 404', '/summary?token=secret 304'])
  assert.ok(server.log.every((line) => line.includes('?token=secret ')))
  const authorization = `Basic ${Buffer.from('me:p@ss').toString('base64')}`
  assert.ok(server.headers.every((headers) => headers.authorization === authorization))
  assert.equal(server.headers.at(-1)!['if-none-match'], '"first"')
})

test('a summary of another server under the same name is not taken for this one', async (t) => {
  const archive = unpackOstree(t, 'archive')
  const [first, second] = [await serveOstree(t, archive), await serveOstree(t, archive)]
  const repository = await temporaryRepository(t)
  await pull(repository, first.url, { ref: 'alpha/main' })
  await pull(repository, second.url, { ref: 'alpha/main' })
  assert.deepEqual(second.log, ['/summary.idx 404', '/summary 200'])
})

test('a summary that another tool kept under the same name is not taken for one of this server', async (t) => {
  // With the same entity tag, as servers have that make it of the version.
  const [first, second] = [
    await serveOstree(t, unpackOstree(t, 'archive'), '"1"'),
    await serveOstree(t, unpackOstree(t, 'archive'), '"1"'),
  ]
  const repository = await temporaryRepository(t)
  await pull(repository, first.url, { ref: 'alpha/main' })
  // cfsctl writes the stream, and nothing beside it.
  const other = await temporaryRepository(t)
  second.fault = (request, response) => {
    if (request.url !== '/summary') return false
    const moved = writeSummary({ refs: [], metadata: [] })
    response.writeHead(200, { etag: '"1"' }).end(moved)
    return true
  }
  await listRefsOf(other, second.url)
  const name = 'ostree-summary-127.0.0.1'
  const { id } = repository.objects.store(readFileSync(join(other.path, 'streams', name)))
  repository.streams.link(name, id)
  first.log.length = 0
  assert.equal((await pull(repository, first.url, { ref: 'alpha/main' })).commit, ids['C2'])
  assert.deepEqual(first.log, ['/summary.idx 404', '/summary 200'])
})

test('a summary that is none is an error, and neither kept nor taken from what is kept', async (t) => {
  const server = await serveOstree(t, unpackOstree(t, 'archive'), '"first"')
  const repository = await temporaryRepository(t)
  server.fault = (request, response, body) => {
    if (request.url !== '/summary') return false
    // Without its length nothing tells that it is cut.
    response.writeHead(200, { etag: '"first"' }).end(body!.subarray(0, -9))
    return true
  }
  const cut = pull(repository, server.url, { ref: 'alpha/main' })
  await assert.rejects(cut, { code: 'SLUICE_FORMAT', message: /the summary of http:\/\/127\.0\.0\.1/ })
  assert.deepEqual(summaryStreams(repository), [])
  server.fault = undefined
  await pull(repository, server.url, { ref: 'alpha/main' })
  // As an earlier version, or another tool, may have kept it.
  const name = 'ostree-summary-127.0.0.1'
  const malformed = writeSummaryCache('"first"', '', Buffer.alloc(64, 0xff))
  const content = { size: malformed.length, externals: [], pieces: () => [malformed] }
  const encode = await inlineStream(repository.algorithm, ostreeContentType.summary, content)
  repository.streams.link(name, repository.objects.store(Buffer.concat(await encode([]))).id)
  server.log.length = 0
  await pull(repository, server.url, { ref: 'alpha/main' })
  assert.deepEqual(server.log, ['/summary.idx 404', '/summary 200'])
})

test('a ref of the summary without an id is looked for elsewhere, and does not keep others from being found', async (t) => {
  const server = await serveOstree(t, unpackOstree(t, 'archive'))
  server.fault = (request, response, body) => {
    if (request.url !== '/summary') return false
    const { refs, metadata } = readSummary(body!)
    const changed = refs.map((ref) => (ref.name === 'delta' ? { ...ref, commit: '00' } : ref))
    response.writeHead(200).end(writeSummary({ refs: changed, metadata }))
    return true
  }
  const repository = await temporaryRepository(t)
  assert.equal((await pull(repository, server.url, { ref: 'alpha/main' })).commit, ids['C2'])
  server.log.length = 0
  assert.equal((await pull(repository, server.url, { ref: 'delta' })).commit, ids['D2'])
  assert.ok(server.log.includes('/refs/heads/delta 200'))
  await assert.rejects(listOstreeRefs(repository, server.url), { code: 'SLUICE_FORMAT', message: /"delta"/ })
})

test('a summary of the index that is not what the index says is refused', async (t) => {
  const archive = unpackScenario(t, 'indexed-summary', http['indexed-summary'])
  const server = await serveOstree(t, archive)
  server.fault = (request, response) => {
    if (!request.url!.endsWith('.gz')) return false
    response.writeHead(200).end(readVector('ostree', 'summary.idx'))
    return true
  }
  const repository = await temporaryRepository(t)
  await assert.rejects(pull(repository, server.url, { ref: 'delta' }), { code: 'SLUICE_COMPRESSION' })
  assert.deepEqual(summaryStreams(repository), [])
})

test('a server may say of a summary of the index that it is encoded as gzip, which it is', async (t) => {
  const server = await serveOstree(t, unpackScenario(t, 'indexed-summary', http['indexed-summary']))
  for (const [encoding, refused] of [['x-gzip'], ['GZIP'], ['br', /content encoding br/]] as const) {
    server.fault = (request, response, body) => {
      if (!request.url!.endsWith('.gz')) return false
      response.writeHead(200, { 'content-encoding': encoding }).end(body)
      return true
    }
    const repository = await temporaryRepository(t)
    const pulled = pull(repository, server.url, { ref: 'delta' })
    if (refused !== undefined) await assert.rejects(pulled, refused)
    else assert.equal((await pulled).commit, ids['D2'])
    assert.equal(summaryStreams(repository).length, refused === undefined ? 1 : 0)
  }
})

test('what comes with another status of success is taken, as by the reference', async (t) => {
  for (const scenario of ['indexed-summary', 'nodelta']) {
    const server = await serveOstree(t, unpackScenario(t, scenario, http[scenario]))
    server.fault = (_request, response, body) => {
      if (body === undefined) return false
      response.writeHead(203).end(body)
      return true
    }
    const { commit } = await pull(await temporaryRepository(t), server.url, { ref: 'delta' })
    assert.equal(commit, ids['D2'])
  }
})

test('a store of objects, which says 403 of what it does not have, is found in URL/REF', async (t) => {
  const archive = unpackOstree(t, 'archive')
  const server = await serveOstree(t, dirname(archive))
  server.fault = (_request, response, body) => {
    if (body !== undefined) return false
    response.writeHead(403).end()
    return true
  }
  const { signal } = new AbortController()
  const text = `${server.url}/${basename(archive)}/alpha/main`
  const { source, ref } = await findOstreeRepository(await temporaryRepository(t), text, quick, signal)
  assert.deepEqual([ref, source.description], ['alpha/main', `${server.url}/${basename(archive)}`])
  await source.close()
})

test('many are found under one signal, and nobody warns of a leak', async (t) => {
  const archive = unpackOstree(t, 'archive')
  const server = await serveOstree(t, archive)
  const repository = await temporaryRepository(t)
  const warnings = recordWarnings(t)
  const { signal } = new AbortController()
  const find = () => findOstreeRepository(repository, `${server.url}/alpha/main`, quick, signal)
  const found = await Promise.all(Array.from({ length: 11 }, find))
  for (const { source } of found) await source.close()
  assert.deepEqual(warnings, [])
})

const noTransfer = (repository: Repository): void => {
  assert.deepEqual(repository.streams.refs('ostree'), [])
  assert.equal(repository.streams.entries().filter(({ name }) => name.startsWith('ostree-commit-')).length, 0)
}

const isFile = (url: string | undefined): boolean => url!.endsWith('.filez')

for (const [name, fault, code] of [
  ['a missing object', (_: unknown, response) => void response.writeHead(404).end('<html>'), 'SLUICE_NOT_FOUND'],
  ['500 for good', (_: unknown, response) => void response.writeHead(500).end(), 'SLUICE_HTTP'],
  ['403', (_: unknown, response) => void response.writeHead(403).end(), 'SLUICE_AUTH'],
  ['no answer', () => undefined, 'SLUICE_NETWORK'],
  ['wrong bytes', (body: Buffer, response) => void response.writeHead(200).end(flip(body)), undefined],
  [
    'a body that is cut for good',
    (body: Buffer, response) => {
      response.writeHead(200, { 'content-length': body.length })
      response.write(body.subarray(0, body.length - 1), () => response.destroy())
    },
    'SLUICE_NETWORK',
  ],
] as const satisfies readonly (readonly [
  string,
  (body: Buffer, response: ServerResponse) => void,
  string | undefined,
])[]) {
  for (const kind of ['.filez', '.dirtree']) {
    test(`${name} (${kind}): a clear error, and nothing is registered`, async (t) => {
      const server = await serveOstree(t, unpackOstree(t, 'archive'))
      let faulty: string | undefined
      server.fault = (request, response, body) => {
        if (!request.url!.endsWith(kind) || request.url !== (faulty ??= request.url)) return false
        fault(body!, response)
        return true
      }
      const repository = await temporaryRepository(t)
      await assert.rejects(
        pull(repository, server.url, { ref: 'alpha/main' }),
        (error: { code: string; message: string }) => {
          if (code !== undefined) assert.equal(error.code, code, error.message)
          assert.notEqual(error.code, 'SLUICE_FAILED')
          const [, hash, rest] = /objects\/(..)\/([^.]+)/.exec(faulty!)!
          assert.ok(error.message.includes(hash + rest) || error.message.includes(faulty!), error.message)
          return true
        },
      )
      noTransfer(repository)
      server.fault = undefined
      assert.equal((await pull(repository, server.url, { ref: 'alpha/main' })).commit, ids['C2'])
    })
  }
}

function flip(body: Buffer): Buffer {
  const wrong = Buffer.from(body)
  wrong[wrong.length >> 1] ^= 1
  return wrong
}

test('what fails once is tried again', async (t) => {
  const server = await serveOstree(t, unpackOstree(t, 'archive'))
  const failed = new Set<string>()
  server.fault = (request, response, body) => {
    if (failed.has(request.url!) || body === undefined) return false
    failed.add(request.url!)
    if (failed.size % 3 === 0) response.writeHead(503).end()
    else if (failed.size % 3 === 1) response.destroy()
    else {
      response.writeHead(200, { 'content-length': body.length })
      response.write(body.subarray(0, body.length >> 1), () => response.destroy())
    }
    return true
  }
  const repository = await temporaryRepository(t)
  const { commit, fetched } = await pull(repository, server.url, { ref: 'alpha/main' })
  assert.equal(commit, ids['C2'])
  assert.deepEqual(fetched, { metadata: 17, files: 40, deltaParts: 0 })
})

test('a cancelled pull stops at once and registers nothing', async (t) => {
  const server = await serveOstree(t, unpackOstree(t, 'archive'))
  const controller = new AbortController()
  server.fault = (request) => {
    if (!isFile(request.url)) return false
    setImmediate(() => controller.abort())
    return true
  }
  const repository = await temporaryRepository(t)
  const pulled = pull(repository, server.url, { ref: 'alpha/main', signal: controller.signal })
  await assert.rejects(pulled, { code: 'SLUICE_CANCELLED' })
  noTransfer(repository)
})
