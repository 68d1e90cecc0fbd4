/** Pulls from remotes that have mirrors (ostree.md §3.8): which mirror is asked for what, and what comes of it. */
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { OstreePullOptions, OstreePullResult } from '../../src/pipelines/ostree-events.js'
import { addOstreeRemote } from '../../src/pipelines/ostree-remotes.js'
import { pullOstreeCommit } from '../../src/pipelines/pull-ostree.js'
import { ostreeRemoteAccess } from '../../src/pipelines/remote-access.js'
import type { Repository } from '../../src/repository/repository.js'
import { openRemoteOstree, type RemoteOptions } from '../../src/stages/ostree/remote-source.js'
import { sluice } from '../helpers/cli.js'
import { serveOstree, splitLog, type OstreeServer } from '../helpers/ostree-server.js'
import { ostreeVector, unpackOstree } from '../helpers/ostree-vectors.js'
import { temporaryDirectory, temporaryRepository } from '../helpers/temporary.js'
import { readJsonVector } from '../helpers/vectors.js'

const { ids } = readJsonVector<{ ids: Record<string, string> }>('ostree', 'expected.json')
const quick: RemoteOptions = {
  env: {},
  stallTimeoutMs: 1000,
  retry: { tries: 2, baseDelayMs: 5, maxDelayMs: 20 },
  subset: 'x86_64',
}
const archive = ostreeVector('archive')
/** Nothing listens there. */
const dead = 'http://127.0.0.1:9'

/** Pulls `alpha/main` from a remote that has these addresses. */
async function pull(
  repository: Repository,
  url: string,
  { contentUrl, ...options }: Partial<OstreePullOptions> & { readonly contentUrl?: string } = {},
): Promise<OstreePullResult> {
  const settings = { gpgVerify: false, existing: 'replace', ...(contentUrl !== undefined && { contentUrl }) } as const
  await addOstreeRemote(repository, 'mirrored', url, settings)
  const access = await ostreeRemoteAccess(repository, 'mirrored')
  const open = async () => openRemoteOstree(repository, access.url, { ...quick, ...access.source })
  const common = { ref: 'alpha/main', threads: 0, deltas: false }
  return pullOstreeCommit(repository, open, { ...common, ...access.pull, ...options })
}

/** Serves a list; its address as remotes have it, and the requests for it. */
async function serveList(t: TestContext, lines: readonly string[]): Promise<{ address: string; log: string[] }> {
  const directory = temporaryDirectory(t)
  writeFileSync(join(directory, 'list.txt'), lines.join('\n'))
  const { url, log } = await serveOstree(t, directory)
  return { address: `mirrorlist=${url}/list.txt`, log }
}

const serveArchive = (t: TestContext): Promise<OstreeServer> => serveOstree(t, archive)
const isObject = (url: string | undefined): boolean => url!.startsWith('/objects/')
const pulledRefs = (repository: Repository) => repository.streams.refs('ostree').map(({ name }) => name)

test('the first mirror with a configuration leads, and gives everything while it can', async (t) => {
  const [empty, first, second] = [
    await serveOstree(t, temporaryDirectory(t)),
    await serveArchive(t),
    await serveArchive(t),
  ]
  const lines = ['# mirrors', '', 'ftp://127.0.0.1/repo', dead, empty.url, `${first.url}/`, '# another', second.url, '']
  const list = await serveList(t, lines)
  const repository = await temporaryRepository(t)
  const { commit, fetched } = await pull(repository, list.address)
  assert.equal(commit, ids['C2'])
  assert.deepEqual(list.log, ['/list.txt 200'])
  assert.deepEqual(empty.log, ['/config 404'])
  const { requests, objects } = splitLog(first.log)
  assert.deepEqual(requests, ['/config 200', '/summary.idx 404', '/summary 200'])
  assert.equal(objects, fetched.metadata + fetched.files)
  assert.deepEqual(second.log, [])
})

test('the summary is kept for the mirror that leads', async (t) => {
  const [first, second] = [await serveArchive(t), await serveArchive(t)]
  const repository = await temporaryRepository(t)
  await pull(repository, (await serveList(t, [first.url, second.url])).address)
  first.log.length = 0
  await pull(repository, (await serveList(t, [dead, first.url])).address)
  assert.deepEqual(first.log, ['/config 200', '/summary.idx 404', '/summary 304'])
  await pull(repository, (await serveList(t, [second.url, first.url])).address)
  assert.deepEqual(second.log, ['/config 200', '/summary.idx 404', '/summary 200'])
})

test('a summary that the leading mirror cannot give is that of the next', async (t) => {
  const [first, second] = [await serveArchive(t), await serveArchive(t)]
  const { address } = await serveList(t, [first.url, second.url])
  const repository = await temporaryRepository(t)
  await pull(repository, address)
  first.log.length = 0
  first.fault = (request, response) => {
    if (request.url !== '/summary') return false
    response.writeHead(503).end()
    return true
  }
  assert.equal((await pull(repository, address)).commit, ids['C2'])
  assert.deepEqual(first.log, ['/config 200', '/summary.idx 404', '/summary 503', '/summary 503'])
  // What is kept is from the other one.
  assert.deepEqual(second.log, ['/summary 200'])
})

const answers: Readonly<Record<string, (response: ServerResponse) => void>> = {
  '404': (response) => void response.writeHead(404).end('<html>'),
  '403': (response) => void response.writeHead(403).end(),
  '500': (response) => void response.writeHead(500).end(),
  'a broken connection': (response) => void response.destroy(),
  'no answer': () => undefined,
}

for (const [name, answer] of Object.entries(answers)) {
  // To notice that there is no answer takes a second a time.
  for (const suffix of name === 'no answer' ? ['.filez'] : ['.filez', '.dirtree']) {
    test(`${name} for one ${suffix}: the next mirror has it`, async (t) => {
      const [first, second] = [await serveArchive(t), await serveArchive(t)]
      let faulty: string | undefined
      first.fault = (request: IncomingMessage, response) => {
        if (!request.url!.endsWith(suffix) || request.url !== (faulty ??= request.url)) return false
        answer(response)
        return true
      }
      const { address } = await serveList(t, [first.url, second.url])
      const { commit, fetched } = await pull(await temporaryRepository(t), address)
      assert.equal(commit, ids['C2'])
      assert.ok(second.log.includes(`${faulty} 200`), second.log.join('\n'))
      const whole = [...first.log, ...second.log].filter((line) => isObject(line) && line.endsWith(' 200'))
      assert.ok(new Set(whole).size === fetched.metadata + fetched.files)
      // What is only not there says nothing about the next object.
      if (name === '404' || name === '403') assert.deepEqual(second.log, [`${faulty} 200`])
    })
  }
}

test('a mirror that stops to answer is not waited for at every object', async (t) => {
  const [first, second] = [await serveArchive(t), await serveArchive(t)]
  let asked = 0
  first.fault = (request, response) => {
    if (!/\.(commit|dirtree|dirmeta)$/.test(request.url!)) return false
    asked++
    response.destroy()
    return true
  }
  const { address } = await serveList(t, [first.url, second.url])
  const { fetched } = await pull(await temporaryRepository(t), address)
  // Two tries for the commit; what is asked for at a time then is all asked of the other.
  assert.equal(asked, 2)
  assert.equal(splitLog(second.log).objects, fetched.metadata + fetched.files)
})

test('what no mirror has is told as the last one tells it, and nothing is registered', async (t) => {
  const [damaged, repository] = [unpackOstree(t, 'archive'), await temporaryRepository(t)]
  const [first, second] = [await serveOstree(t, damaged), await serveOstree(t, damaged)]
  rmSync(join(damaged, `objects/${ids['C2'].slice(0, 2)}/${ids['C2'].slice(2)}.commit`))
  const { address } = await serveList(t, [first.url, second.url])
  await assert.rejects(pull(repository, address), (error: { code: string; message: string }) => {
    assert.equal(error.code, 'SLUICE_NOT_FOUND')
    assert.ok(error.message.includes(`${second.url}/objects/`), error.message)
    return true
  })
  // A mirror that is down cannot say more than the one that has answered.
  const half = await serveList(t, [first.url, dead])
  await assert.rejects(pull(repository, half.address), { code: 'SLUICE_NOT_FOUND' })
  assert.deepEqual(pulledRefs(repository), [])
})

test('what is not there is not there, though a mirror is down', async (t) => {
  const nosum = unpackOstree(t, 'archive')
  for (const file of ['summary', 'summary.sig', 'delta-indexes']) rmSync(join(nosum, file), { recursive: true })
  const { url, log } = await serveOstree(t, nosum)
  const { address } = await serveList(t, [url, dead])
  const { commit } = await pull(await temporaryRepository(t), address, { deltas: true })
  assert.equal(commit, ids['C2'])
  assert.ok(
    log.some((line) => line.startsWith('/delta-indexes/') && line.endsWith(' 404')),
    log.join('\n'),
  )
})

test('contents from mirrors of their own', async (t) => {
  const [main, first, second] = [await serveArchive(t), await serveArchive(t), await serveArchive(t)]
  first.fault = (request, response) => {
    if (!isObject(request.url)) return false
    response.writeHead(404).end()
    return true
  }
  const list = await serveList(t, ['ftp://127.0.0.1/', dead, first.url, second.url])
  const { commit, fetched } = await pull(await temporaryRepository(t), main.url, { contentUrl: list.address })
  assert.equal(commit, ids['C2'])
  assert.deepEqual(list.log, ['/list.txt 200'])
  assert.equal(splitLog(main.log).objects, fetched.metadata)
  assert.deepEqual(splitLog(first.log), { requests: ['/config 200'], objects: fetched.files })
  assert.deepEqual(splitLog(second.log), { requests: [], objects: fetched.files })
})

test('users of mirrors are sent to them only, and are in no error', async (t) => {
  const [first, second] = [await serveArchive(t), await serveArchive(t)]
  const withUser = first.url.replace('//', '//me:secret@')
  for (const server of [first, second]) {
    server.fault = (request, response) => {
      if (!request.url!.endsWith('.filez')) return false
      response.writeHead(404).end()
      return true
    }
  }
  const { address } = await serveList(t, [second.url, withUser])
  await assert.rejects(pull(await temporaryRepository(t), address), (error: Error) => !/secret/.test(error.message))
  const authorization = `Basic ${Buffer.from('me:secret').toString('base64')}`
  assert.ok(first.headers.length > 0 && first.headers.every((headers) => headers.authorization === authorization))
  assert.ok(second.headers.every((headers) => headers.authorization === undefined))
})

test('lists that are of no use are told', async (t) => {
  const repository = await temporaryRepository(t)
  const { url } = await serveArchive(t)
  const refused = async (address: string, message: RegExp, code: string) => {
    for (const options of [{}, { ref: ids['C1'] }, { ref: ids['C1'], deltas: true }]) {
      await assert.rejects(pull(repository, address, options), { message, code })
    }
    await assert.rejects(pull(repository, url, { contentUrl: address }), { message, code })
    assert.deepEqual(pulledRefs(repository), [])
  }
  const comments = await serveList(t, ['# none', 'ftp://127.0.0.1/repo'])
  await refused(comments.address, /list\.txt has no http or https URL/, 'SLUICE_NOT_FOUND')
  const unusable = await serveList(t, [dead, (await serveOstree(t, temporaryDirectory(t))).url])
  await refused(
    unusable.address,
    /no mirror can be used of the list .*list\.txt.*127\.0\.0\.1:9\/config/,
    'SLUICE_NETWORK',
  )
  const absent = `${url}/nothing.txt`
  await refused(`mirrorlist=${absent}`, /the list of mirrors .*nothing\.txt answered 404/, 'SLUICE_NOT_FOUND')
  await refused(`mirrorlist=${dead}/list`, /the list of mirrors .*ECONNREFUSED/, 'SLUICE_NETWORK')
  const long = await serveList(t, ['#'.repeat(1024 * 1024), url])
  await refused(long.address, /the list of mirrors .*list\.txt has more than 1048576 bytes/, 'SLUICE_FORMAT')
})

test('mirrors that all fail once are asked again', async (t) => {
  const [first, second] = [await serveArchive(t), await serveOstree(t, temporaryDirectory(t))]
  first.fault = (request, response) => {
    first.fault = undefined
    assert.equal(request.url, '/config')
    response.writeHead(503).end()
    return true
  }
  const { address } = await serveList(t, [first.url, second.url])
  assert.equal((await pull(await temporaryRepository(t), address)).commit, ids['C2'])
  assert.deepEqual(first.log.slice(0, 2), ['/config 503', '/config 200'])
})

test('on the command line', async (t) => {
  const repository = await temporaryRepository(t)
  const { url } = await serveArchive(t)
  const { address } = await serveList(t, ['# a comment', url])
  const run = (...words: string[]) => sluice(['--insecure', '--repo', repository.path, 'ostree', ...words])
  const pulled = await run('pull', address, 'alpha/main')
  assert.equal(pulled.status, 0, pulled.stderr)
  const added = await run('remote', 'add', '--no-gpg-verify', 'mirrored', address)
  assert.equal(added.status, 0, added.stderr)
  const again = await run('pull', 'mirrored:alpha/main')
  assert.equal(again.status, 0, again.stderr)
  assert.match(again.stdout, /^objects 0 metadata/m)
  const wrong = await run('pull', 'mirrorlist=ftp://127.0.0.1/list', 'alpha/main')
  assert.equal(wrong.status, 2)
  assert.match(wrong.stderr, /not the URL of a list of mirrors/)
})
