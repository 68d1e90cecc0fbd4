/** Pulls of ostree commits that are interrupted go on; large files come in pieces, with threads and without. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { checkRepository } from '../../src/pipelines/fsck.js'
import { pullOstreeCommit } from '../../src/pipelines/pull-ostree.js'
import type { OstreePullOptions, OstreePullResult } from '../../src/pipelines/ostree-events.js'
import type { Repository } from '../../src/repository/repository.js'
import { commitStreamName } from '../../src/formats/ostree/ref-name.js'
import { openLocalOstree } from '../../src/stages/ostree/local-source.js'
import { openRemoteOstree, type RemoteOptions } from '../../src/stages/ostree/remote-source.js'
import { readStoredCommit } from '../../src/stages/ostree/stored-commit.js'
import { sluice } from '../helpers/cli.js'
import { writeArchive } from '../helpers/ostree-archive.js'
import { serveOstree, splitLog } from '../helpers/ostree-server.js'
import { noise } from '../helpers/registry-images.js'
import { temporaryDirectory, temporaryRepository } from '../helpers/temporary.js'
import { projectRoot } from '../helpers/vectors.js'

const MIB = 1024 * 1024
const quick: RemoteOptions = { env: {}, stallTimeoutMs: 1000, retry: { tries: 2, baseDelayMs: 5, maxDelayMs: 20 } }

const pull = (
  repository: Repository,
  url: string,
  options: Partial<OstreePullOptions> = {},
): Promise<OstreePullResult> =>
  pullOstreeCommit(repository, async () => openRemoteOstree(repository, url, quick), {
    ref: 'made',
    threads: 0,
    ...options,
  })

/** Sizes around the limits: inline, what is gathered, what waits for its end, a slab, several. */
const sizes = [0, 64, 65, 128, 129, 4096, 300_000, MIB - 1, MIB, MIB + 1, 3 * MIB + 17]

function largeArchive(t: TestContext): string {
  const directory = join(temporaryDirectory(t), 'archive')
  const files = sizes.flatMap((size): [string, Buffer][] => [
    [`noise-${size}`, noise(size, `n${size}`)],
    [`zeros-${size}`, Buffer.alloc(size)],
  ])
  writeArchive(directory, new Map(files))
  return directory
}

function manyFiles(t: TestContext): string {
  const directory = join(temporaryDirectory(t), 'archive')
  const file = (i: number): [string, Buffer] => [`f${i}`, noise(200 + i, `m${i}`)]
  writeArchive(directory, new Map(Array.from({ length: 300 }, (_, i) => file(i))))
  return directory
}

async function contents(repository: Repository, { commit }: OstreePullResult): Promise<string[]> {
  const { externals } = await readStoredCommit(repository, commitStreamName(commit))
  return [...externals].map((id) => `${id} ${readFileSync(repository.objects.path(id)).length}`)
}

for (const threads of [0, 2]) {
  test(`files of every size, by path and by HTTP, with ${threads} threads`, async (t) => {
    const archive = largeArchive(t)
    const server = await serveOstree(t, archive)
    const [local, remote] = [await temporaryRepository(t), await temporaryRepository(t)]
    const byPath = await pullOstreeCommit(local, async () => openLocalOstree(archive), { ref: 'made', threads })
    const byHttp = await pull(remote, server.url, { threads })
    assert.equal(byHttp.image, byPath.image)
    assert.deepEqual(await contents(remote, byHttp), await contents(local, byPath))
    assert.equal((await checkRepository(remote)).ok, true)
  })
}

test('files of every size without native code', async (t) => {
  const archive = largeArchive(t)
  const server = await serveOstree(t, archive)
  const reference = await temporaryRepository(t)
  const { image } = await pullOstreeCommit(reference, async () => openLocalOstree(archive), { ref: 'made' })
  for (const words of [
    ['pull-local', archive],
    ['pull', server.url],
  ]) {
    const { path } = await temporaryRepository(t)
    const args = ['--insecure', '--repo', path, 'ostree', ...words, 'made']
    const { status, stdout, stderr } = await sluice(args, { env: { SLUICE_NATIVE: 'off' } })
    assert.equal(status, 0, stderr)
    assert.ok(stdout.includes(`image   ${image}\n`), stdout)
  }
})

test('a large file that breaks off is fetched again, and a wrong one leaves nothing', async (t) => {
  const archive = largeArchive(t)
  const server = await serveOstree(t, archive)
  let broken = 0
  server.fault = (_request, response, body) => {
    if (body === undefined || body.length < MIB || broken >= 2) return false
    broken++
    response.writeHead(200, { 'content-length': body.length })
    response.write(body.subarray(0, body.length - 5), () => response.destroy())
    return true
  }
  const repository = await temporaryRepository(t)
  await pull(repository, server.url, { threads: 2 })
  assert.equal(broken, 2)

  server.fault = (_request, response, body) => {
    if (body === undefined || body.length < 2 * MIB) return false
    const wrong = Buffer.from(body)
    wrong[wrong.length - 100] ^= 1
    response.writeHead(200).end(wrong)
    return true
  }
  const other = await temporaryRepository(t)
  await assert.rejects(pull(other, server.url, { threads: 2 }), /^SluiceError: cannot pull: .*file [0-9a-f]{64}/)
  assert.deepEqual(other.streams.refs('ostree'), [])
  assert.deepEqual(temporaries(other), [])
})

const temporaries = (repository: Repository): string[] =>
  readdirSync(join(repository.path, 'objects')).filter((name) => name.startsWith('.tmp'))

/** Whole batches of a journal: a length and a digest before each. */
function batchesIn(journal: string): number {
  if (!existsSync(journal)) return 0
  const bytes = readFileSync(journal)
  let batches = 0
  for (let at = 0; at + 4 <= bytes.length; batches++) {
    at += 36 + bytes.readUInt32LE(at)
    if (at > bytes.length) break
  }
  return batches
}

test('what a killed pull came by is not fetched again', async (t) => {
  const archive = manyFiles(t)
  const server = await serveOstree(t, archive)
  const repository = await temporaryRepository(t)
  const reference = await temporaryRepository(t)
  const whole = await pull(reference, server.url)
  const all = splitLog(server.log).objects

  const words = ['--insecure', '--repo', repository.path, 'ostree', 'pull', server.url, 'made']
  const child = spawn(process.execPath, [join(projectRoot, 'bin/sluice.js'), ...words], { stdio: 'ignore' })
  let files = 0
  server.fault = (request) => request.url!.endsWith('.filez') && ++files > 280
  const ended = once(child, 'exit')
  const journal = join(repository.path, '.sluice/ostree', whole.commit)
  // Two times 128 files are on the disk, with what they lie in, when the rest does not come.
  const isFarEnough = (): boolean => files > 280 && batchesIn(journal) >= 2
  while (!isFarEnough()) {
    assert.equal(child.exitCode, null)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  child.kill('SIGKILL')
  await ended

  // Another server: the first one may still read requests of the killed process.
  const second = await serveOstree(t, archive)
  const rest = await pull(repository, second.url)
  assert.deepEqual([rest.commit, rest.image, rest.verity], [whole.commit, whole.image, whole.verity])
  assert.equal(rest.fetched.metadata, 0)
  assert.equal(splitLog(second.log).objects, rest.fetched.files)
  assert.ok(rest.fetched.files <= all - 3 - 256, `${rest.fetched.files}`)
  assert.equal(existsSync(journal), false)
  assert.deepEqual(await contents(repository, rest), await contents(reference, whole))
  assert.equal((await checkRepository(repository)).ok, true)
})

test('a file that is wrong is the only one that is named', async (t) => {
  const server = await serveOstree(t, manyFiles(t))
  let files = 0
  let wrong = ''
  server.fault = (request, response) => {
    if (!request.url!.endsWith('.filez') || ++files !== 5) return false
    wrong = request.url!.slice('/objects/'.length, -'.filez'.length).replace('/', '')
    response.end('x')
    return true
  }
  await assert.rejects(pull(await temporaryRepository(t), server.url), ({ message }: Error) => {
    assert.deepEqual(message.match(/file \w{64}/g), [`file ${wrong}`], message)
    return true
  })
})

test('a journal that is damaged, or whose objects are gone, costs requests and nothing else', async (t) => {
  const server = await serveOstree(t, manyFiles(t))
  const repository = await temporaryRepository(t)
  const controller = new AbortController()
  let files = 0
  server.fault = (request) => {
    if (!request.url!.endsWith('.filez') || ++files <= 200) return false
    setImmediate(() => controller.abort())
    return true
  }
  await assert.rejects(pull(repository, server.url, { signal: controller.signal }), { code: 'SLUICE_CANCELLED' })
  const [name] = readdirSync(join(repository.path, '.sluice/ostree'))
  const path = join(repository.path, '.sluice/ostree', name)
  const journal = readFileSync(path)
  writeFileSync(path, Buffer.concat([journal.subarray(0, journal.length - 10), Buffer.alloc(10)]))
  rmSync(join(repository.path, 'objects'), { recursive: true })
  server.fault = undefined
  const pulled = await pull(repository, server.url)
  assert.equal(pulled.fetched.files, 300)
  assert.equal((await checkRepository(repository)).ok, true)
})
