/** Pulls that want signatures: of commits, in directories and over HTTP, of summaries, and as remotes are set. */
import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { appendFileSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { readValue } from '../../src/formats/gvariant/read.js'
import { parseType } from '../../src/formats/gvariant/type.js'
import type { Dictionary, Value } from '../../src/formats/gvariant/value.js'
import { variant, writeValue } from '../../src/formats/gvariant/write.js'
import { dictionaryType } from '../../src/formats/gvariant/dictionary.js'
import { COMMIT_TYPE } from '../../src/formats/ostree/commit.js'
import { deltaDirectory } from '../../src/formats/ostree/delta-path.js'
import { ostreeObjectPath } from '../../src/formats/ostree/object-type.js'
import { parseOstreeId } from '../../src/formats/ostree/ostree-id.js'
import type { OstreePullEvent, OstreePullOptions, OstreePullResult } from '../../src/pipelines/ostree-events.js'
import { addOstreeRemote } from '../../src/pipelines/ostree-remotes.js'
import { pullOstree, pullOstreeCommit } from '../../src/pipelines/pull-ostree.js'
import { ostreeRemoteAccess } from '../../src/pipelines/remote-access.js'
import type { Repository } from '../../src/repository/repository.js'
import { openLocalOstree } from '../../src/stages/ostree/local-source.js'
import { openRemoteOstree, type RemoteOptions } from '../../src/stages/ostree/remote-source.js'
import type { OstreeSource } from '../../src/stages/ostree/source.js'
import { loadTrustedKeys } from '../../src/stages/ostree-verify/trusted-keys.js'
import type { TrustedKeys } from '../../src/stages/ostree-verify/verify.js'
import { sluice } from '../helpers/cli.js'
import { serveOstree, type OstreeServer } from '../helpers/ostree-server.js'
import { unpackOstree } from '../helpers/ostree-vectors.js'
import { temporaryDirectory, temporaryRepository } from '../helpers/temporary.js'
import { hasVector, readJsonVector, vectorPath } from '../helpers/vectors.js'

const missing = !hasVector('ostree', 'expected.json') && 'not in the set of vectors at hand'

const key = (name: string) => vectorPath('ostree', 'keys', name)
const gpg = async () => (await loadTrustedKeys({ gpgKeyring: key('key.gpg') }))!
const wrongGpg = async () => (await loadTrustedKeys({ gpgKeyring: key('wrongkey.gpg') }))!
const ed25519 = async () => (await loadTrustedKeys({ ed25519Key: key('ed25519.pub.b64') }))!

/** C2 is `alpha/main` and D2 `delta`, both signed by OpenPGP; D1 by ed25519; C1 by nobody. */
const ids = () => readJsonVector<{ ids: Record<'C1' | 'C2' | 'D1' | 'D2', string> }>('ostree', 'expected.json').ids

const metaPath = (archive: string, id: string) => join(archive, ostreeObjectPath(parseOstreeId(id), 'commitmeta'))

interface Place {
  readonly archive: string
  readonly open: (repository: Repository) => OstreeSource
  readonly server?: OstreeServer
}

const quick: RemoteOptions = { env: {}, retry: { tries: 1 }, subset: 'x86_64' }

const places: Record<string, (t: TestContext) => Promise<Place>> = {
  'a directory': async (t) => {
    const archive = unpackOstree(t, 'archive')
    return { archive, open: () => openLocalOstree(archive) }
  },
  HTTP: async (t) => {
    const archive = unpackOstree(t, 'archive')
    const server = await serveOstree(t, archive)
    return { archive, server, open: (repository) => openRemoteOstree(repository, server.url, quick) }
  },
}

function pull(
  repository: Repository,
  open: (repository: Repository) => OstreeSource,
  options: Partial<OstreePullOptions> & { readonly ref: string },
): Promise<OstreePullResult> {
  return pullOstreeCommit(repository, async () => open(repository), { threads: 0, deltas: false, ...options })
}

const streams = (repository: Repository, prefix: string) =>
  repository.streams
    .entries()
    .map(({ name }) => name)
    .filter((name) => name.startsWith(prefix))

/** Commits and refs of a repository: a refused pull adds none. */
const registered = (repository: Repository) => [
  ...streams(repository, 'ostree-commit-'),
  ...repository.streams.refs('ostree').map(({ name }) => name),
]

async function refused(repository: Repository, pulled: Promise<unknown>, message: RegExp): Promise<void> {
  const before = registered(repository)
  await assert.rejects(pulled, (error: { code: string; message: string }) => {
    assert.equal(error.code, 'SLUICE_POLICY', error.message)
    assert.match(error.message, message)
    return true
  })
  assert.deepEqual(registered(repository), before)
}

for (const [name, prepare] of Object.entries(places)) {
  describe(`signatures of commits, from ${name}`, { skip: missing }, () => {
    test('the right keys', async (t) => {
      const { open } = await prepare(t)
      const repository = await temporaryRepository(t)
      const { commit } = await pull(repository, open, { ref: 'alpha/main', keys: await gpg() })
      assert.equal(commit, ids().C2)
      const events: OstreePullEvent[] = []
      const run = pullOstree(repository, async () => open(repository), { ref: ids().D1, keys: await ed25519() })
      await run.forEach((event) => void events.push(event))
      const verified = events.find((event) => event.type === 'verified')
      assert.deepEqual(
        verified?.signatures.map(({ kind }) => kind),
        ['ed25519'],
      )
    })

    test('what is refused, before anything but the commit and its signatures is fetched', async (t) => {
      const { open, server, archive } = await prepare(t)
      const repository = await temporaryRepository(t)
      const { C1, C2, D1, D2 } = ids()
      const both = { ...(await gpg()), ...(await ed25519()) }
      const cases: [ref: string, keys: TrustedKeys, message: RegExp][] = [
        ['alpha/main', await wrongGpg(), /no valid OpenPGP signature.*not in the keyring/],
        ['alpha/main', await ed25519(), /no valid ed25519 signature.*not signed/],
        ['alpha/main', both, /no valid ed25519 signature/],
        [D1, await gpg(), /no valid OpenPGP signature/],
        [C1, await gpg(), /not signed/],
      ]
      for (const [ref, keys, message] of cases)
        await refused(repository, pull(repository, open, { ref, keys }), message)
      copyFileSync(metaPath(archive, D2), metaPath(archive, C2))
      await refused(repository, pull(repository, open, { ref: 'alpha/main', keys: await gpg() }), /no valid OpenPGP/)
      const objects = server?.log.filter((line) => line.startsWith('/objects/')) ?? []
      assert.deepEqual(
        objects.filter((line) => !/\.commit(meta)? (200|404)$/.test(line)),
        [],
      )
      assert.equal(existsSync(join(repository.path, '.sluice/ostree')), false)
    })

    test('signatures that are no such file', async (t) => {
      const { open, archive } = await prepare(t)
      const repository = await temporaryRepository(t)
      writeFileSync(metaPath(archive, ids().C2), Buffer.alloc(64, 0xff))
      await assert.rejects(pull(repository, open, { ref: 'alpha/main', keys: await gpg() }), {
        code: /SLUICE_(FORMAT|POLICY)/,
      })
      assert.deepEqual(registered(repository), [])
    })

    test('a commit that is stored is checked only if keys are given', async (t) => {
      const { open } = await prepare(t)
      const repository = await temporaryRepository(t)
      await pull(repository, open, { ref: ids().C2 })
      await refused(repository, pull(repository, open, { ref: 'alpha/main', keys: await wrongGpg() }), /OpenPGP/)
      const { fetched } = await pull(repository, open, { ref: 'alpha/main', keys: await gpg() })
      assert.deepEqual(fetched, { metadata: 0, files: 0, deltaParts: 0 })
      assert.equal(repository.streams.refs('ostree').length, 1)
    })

    test('a signed commit under the name of another branch', async (t) => {
      const { open, archive } = await prepare(t)
      const repository = await temporaryRepository(t)
      writeFileSync(join(archive, 'refs/heads/newest'), ids().C2)
      await refused(repository, pull(repository, open, { ref: 'newest', keys: await gpg() }), /bound to alpha\/main/)
      await pull(repository, open, { ref: 'newest' })
    })

    test('a collection', async (t) => {
      const { open } = await prepare(t)
      const repository = await temporaryRepository(t)
      const pulled = pull(repository, open, { ref: 'alpha/main', collectionId: 'org.example.Os' })
      await refused(repository, pulled, /bound to no collection, not to org\.example\.Os/)
    })
  })
}

test('a signed commit by the places of its ref in a directory', { skip: missing }, async (t) => {
  const archive = unpackOstree(t, 'archive')
  const repository = await temporaryRepository(t)
  const open = () => openLocalOstree(archive)
  const keys = await gpg()
  for (const place of ['heads', 'remotes/origin', 'mirrors/org.example.Os']) {
    for (const branch of ['alpha/main', 'newest']) {
      mkdirSync(join(archive, 'refs', place, 'alpha'), { recursive: true })
      writeFileSync(join(archive, 'refs', place, branch), ids().C2)
    }
    const { tag } = await pull(repository, open, { ref: `${place}/alpha/main`, keys })
    assert.equal(tag, `${place}/alpha/main`)
    await refused(
      repository,
      pull(repository, open, { ref: `${place}/newest`, keys }),
      /bound to .*, and so not to newest/,
    )
  }
  // A branch may have such a name, too.
  mkdirSync(join(archive, 'refs/heads/remotes/other/alpha'), { recursive: true })
  writeFileSync(join(archive, 'refs/heads/remotes/other/alpha/main'), ids().C2)
  const named = pull(repository, open, { ref: 'remotes/other/alpha/main', keys })
  await refused(repository, named, /not to remotes\/other\/alpha\/main/)
})

describe('a static delta of a signed commit', { skip: missing }, () => {
  test('is used, and counted once', async (t) => {
    const { open } = await places['HTTP'](t)
    const counts = []
    for (const options of [{}, { keys: await ed25519() }]) {
      const repository = await temporaryRepository(t)
      counts.push((await pull(repository, open, { ref: ids().D1, deltas: true, ...options })).fetched)
    }
    assert.ok(counts[0].deltaParts > 0)
    assert.deepEqual(counts[1], counts[0])
  })
})

/** A key of this test, and what ostree makes of its signatures. */
const signer = generateKeyPairSync('ed25519')
const ownKeys: TrustedKeys = { sign: { ed25519: [{ name: 'own', key: signer.publicKey }] } }

function signatureFile(data: Uint8Array): Buffer {
  const signature = variant('aay', [sign(undefined, data, signer.privateKey)])
  return writeValue(dictionaryType, [['ostree.sign.ed25519', signature]])
}

describe('signatures of summaries', { skip: missing }, () => {
  const openWith = (url: string, summaryKeys: TrustedKeys | undefined) => (repository: Repository) =>
    openRemoteOstree(repository, url, { ...quick, ...(summaryKeys !== undefined && { summaryKeys }) })

  const prepare = async (t: TestContext) => {
    const archive = unpackOstree(t, 'archive')
    const server = await serveOstree(t, archive)
    return { archive, server, repository: await temporaryRepository(t) }
  }

  test('the right key, the wrong one, and none', async (t) => {
    const { archive, server, repository } = await prepare(t)
    const wrong = openWith(server.url, await wrongGpg())
    await refused(repository, pull(repository, wrong, { ref: 'alpha/main' }), /the summary of .* no valid OpenPGP/)
    const right = openWith(server.url, await gpg())
    assert.equal((await pull(repository, right, { ref: 'alpha/main' })).commit, ids().C2)
    await pull(repository, right, { ref: 'alpha/main' })
    assert.ok(server.log.includes('/summary 304'))
    rmSync(join(archive, 'summary.sig'))
    await assert.rejects(pull(repository, right, { ref: 'delta' }), { code: 'SLUICE_POLICY', message: /not signed/ })
    await pull(repository, openWith(server.url, undefined), { ref: 'delta' })
  })

  test('a summary that was changed', async (t) => {
    const { archive, server, repository } = await prepare(t)
    appendFileSync(join(archive, 'summary'), '\0')
    const open = openWith(server.url, await gpg())
    await refused(repository, pull(repository, open, { ref: 'alpha/main' }), /the summary of .* no valid/)
    // By id the summary is not needed, but it was asked for.
    await refused(repository, pull(repository, open, { ref: ids().C2 }), /the summary of .* no valid/)
    assert.deepEqual(streams(repository, 'ostree-summary'), [])
  })

  test('no summary, and a ref that it does not have', async (t) => {
    const { archive, server, repository } = await prepare(t)
    const open = openWith(server.url, await gpg())
    writeFileSync(join(archive, 'refs/heads/newest'), ids().C2)
    await assert.rejects(pull(repository, open, { ref: 'newest' }), {
      code: 'SLUICE_NOT_FOUND',
      message: /signed summary/,
    })
    const other = await temporaryRepository(t)
    rmSync(join(archive, 'summary'))
    await refused(other, pull(other, open, { ref: 'alpha/main' }), /has no summary/)
  })

  test('one that is kept from before the signature is fetched anew', async (t) => {
    const { archive, repository } = await prepare(t)
    // The tag of the server stays the same, whatever it serves.
    const server = await serveOstree(t, archive, '"same"')
    await pull(repository, openWith(server.url, undefined), { ref: 'alpha/main' })
    const newer = readFileSync(join(archive, 'summary'))
    newer[newer.indexOf('delta')] = 'D'.charCodeAt(0)
    writeFileSync(join(archive, 'summary'), newer)
    writeFileSync(join(archive, 'summary.sig'), signatureFile(newer))
    await pull(repository, openWith(server.url, ownKeys), { ref: 'alpha/main' })
    assert.equal(server.log.at(-1), '/summary 200')
  })

  test('an index counts only if it is signed', async (t) => {
    const { archive, server } = await prepare(t)
    const index = vectorPath('ostree', 'summary.idx')
    copyFileSync(index, join(archive, 'summary.idx'))
    const name = 'c7a6c244f25cd53c2d790bb06d1e62be9e5ac1f4073187a20d19b18a3d9f7979.gz'
    mkdirSync(join(archive, 'summaries'))
    copyFileSync(vectorPath('ostree', name), join(archive, 'summaries', name))
    const requests = async (keys: TrustedKeys) => {
      server.log.length = 0
      await pull(await temporaryRepository(t), openWith(server.url, keys), { ref: 'delta' })
      return server.log.filter((line) => line.endsWith(' 200') && /summary|summaries/.test(line))
    }
    assert.deepEqual(await requests(await gpg()), ['/summary.idx 200', '/summary.sig 200', '/summary 200'])
    const digest = createHash('sha256').update(readFileSync(index)).digest('hex')
    writeFileSync(join(archive, `summaries/${digest}.idx.sig`), signatureFile(readFileSync(index)))
    const indexed = ['/summary.idx 200', `/summaries/${digest}.idx.sig 200`, `/summaries/${name} 200`]
    assert.deepEqual(await requests(ownKeys), indexed)
  })
})

/** The delta from D1 to D2 in one file, with detached metadata of D2 in it, as libostree writes it for commits that are signed. */
function signedDelta(t: TestContext, commitmeta: Buffer): string {
  const type = parseType<[Dictionary, ...Value[]]>(`(a{sv}tayay${COMMIT_TYPE}aya(uayttay)a(yaytt))`)
  const [metadata, ...rest] = readValue(type, readFileSync(vectorPath('ostree', 'deltas', 'diff-inline.delta')))
  const directory = deltaDirectory({ from: parseOstreeId(ids().D1), to: parseOstreeId(ids().D2) })
  const entry = [`${directory}/commitmeta`, { type: 'a{sv}', bytes: commitmeta }] as const
  const path = join(temporaryDirectory(t), 'signed.delta')
  writeFileSync(path, writeValue(type, [[...metadata, entry], ...rest]))
  return path
}

describe('on the command line', { skip: missing }, () => {
  const command = (repository: Repository) => {
    const run = (...words: string[]) => sluice(['--insecure', '--repo', repository.path, 'ostree', ...words])
    return {
      ok: async (...words: string[]) => {
        const { status, stdout, stderr } = await run(...words)
        assert.equal(status, 0, stderr)
        return stdout
      },
      fails: async (message: RegExp, ...words: string[]) => {
        const { status, stderr } = await run(...words)
        assert.notEqual(status, 0)
        assert.match(stderr, message)
        assert.deepEqual(registered(repository), [])
      },
    }
  }

  test('flags of pull-local and pull', async (t) => {
    const archive = unpackOstree(t, 'archive')
    const { url } = await serveOstree(t, archive)
    const repository = await temporaryRepository(t)
    const { ok, fails } = command(repository)
    await fails(/no valid OpenPGP/, 'pull-local', archive, 'alpha/main', '--gpg-keyring', key('wrongkey.gpg'))
    await fails(/no valid ed25519/, 'pull', url, 'alpha/main', '--ed25519-key', key('ed25519.pub.b64'))
    await fails(/needs keys/, 'pull', url, 'alpha/main', '--require-summary-signature')
    await fails(/which ref/, 'pull', url)
    await fails(/there is no remote nobody/, 'pull', 'nobody', 'alpha/main')
    const signed = ['alpha/main', '--gpg-keyring', key('key.asc')]
    assert.match(await ok('pull', url, ...signed, '--require-summary-signature'), /^tagged {2}alpha\/main$/m)
    assert.match(await ok('pull-local', archive, ...signed), /^objects 0 metadata \+ 0 files fetched$/m)
  })

  test('flags of pull ostree:', async (t) => {
    const archive = unpackOstree(t, 'archive')
    const { url } = await serveOstree(t, archive)
    const repository = await temporaryRepository(t)
    const run = (...words: string[]) => sluice(['--insecure', '--repo', repository.path, 'pull', ...words])
    const remote = `ostree:${url.replace(/\/$/, '')}/alpha/main`
    const wrong = ['--gpg-keyring', key('wrongkey.gpg')]
    const right = ['--gpg-keyring', key('key.gpg')]
    const cases: [message: RegExp, status: number, words: string[]][] = [
      [/no valid OpenPGP/, 5, [remote, ...wrong]],
      [/no valid OpenPGP/, 5, [`ostree:${archive}/alpha/main`, ...wrong]],
      [/needs keys/, 2, [remote, '--require-summary-signature']],
      [/is for servers/, 2, [`ostree:${archive}/alpha/main`, ...right, '--require-summary-signature']],
      [/are for ostree: only/, 2, ['oci:nowhere', ...right]],
    ]
    for (const [message, expected, words] of cases) {
      const { status, stderr } = await run(...words)
      assert.match(stderr, message)
      assert.equal(status, expected, stderr)
      assert.deepEqual(registered(repository), [])
    }
    const { status, stdout, stderr } = await run(remote, ...right, '--require-summary-signature')
    assert.equal(status, 0, stderr)
    assert.match(stdout, /^tagged {2}alpha\/main$/m)
  })

  test('flags of apply-delta: the delta carries the signatures of its commit', async (t) => {
    const repository = await temporaryRepository(t)
    const { ok } = command(repository)
    const apply = (...words: string[]) =>
      sluice(['--insecure', '--repo', repository.path, 'ostree', 'apply-delta', ...words])
    const right = ['--gpg-keyring', key('key.gpg')]
    const scratch = vectorPath('ostree', 'deltas', 'scratch-inline.delta')
    const signed = signedDelta(t, readFileSync(metaPath(unpackOstree(t, 'archive'), ids().D2)))
    const unsigned = vectorPath('ostree', 'deltas', 'diff-inline.delta')
    const refuses = async (message: RegExp, ...words: string[]) => {
      const before = registered(repository)
      const { status, stderr } = await apply(...words)
      assert.match(stderr, message)
      assert.equal(status, 5)
      assert.deepEqual(registered(repository), before)
    }
    await refuses(/no valid OpenPGP.*it is not signed/, scratch, ...right)
    await ok('apply-delta', scratch)
    await refuses(/no valid OpenPGP.*it is not signed/, unsigned, ...right)
    await refuses(/no valid OpenPGP/, signed, '--gpg-keyring', key('wrongkey.gpg'))
    await refuses(/no valid ed25519/, signed, '--ed25519-key', key('ed25519.pub.b64'))
    await ok('apply-delta', signed, ...right)
    assert.ok(registered(repository).includes(`ostree-commit-${ids().D2}`))
    // What is here already must be signed no less.
    await refuses(/it is not signed/, unsigned, ...right)
  })

  test('flags of list-refs: the summary must be signed', async (t) => {
    const archive = unpackOstree(t, 'archive')
    const { url } = await serveOstree(t, archive)
    const { ok, fails } = command(await temporaryRepository(t))
    assert.match(await ok('list-refs', url, '--gpg-keyring', key('key.gpg')), /alpha\/main/)
    await fails(/no valid OpenPGP/, 'list-refs', url, '--gpg-keyring', key('wrongkey.gpg'))
    await fails(/nobody signs/, 'list-refs', archive, '--gpg-keyring', key('key.gpg'))
  })

  test('remotes, by name', async (t) => {
    const { url } = await serveOstree(t, unpackOstree(t, 'archive'))
    const repository = await temporaryRepository(t)
    const { ok, fails } = command(repository)
    await addOstreeRemote(repository, 'wrong', url, { gpgImport: key('wrongkey.gpg') })
    await addOstreeRemote(repository, 'right', url, { gpgImport: key('key.gpg') })
    await fails(/no valid OpenPGP/, 'pull', 'wrong:alpha/main')
    // A key of the other kind counts beside those of the remote.
    await fails(/no valid ed25519/, 'pull', 'right', 'alpha/main', '--ed25519-key', key('ed25519.pub.b64'))
    assert.match(await ok('pull', 'right:alpha/main'), /^tagged {2}alpha\/main$/m)
    assert.match(await ok('pull', 'right', 'alpha/main'), /^objects 0 metadata/m)
  })
})

describe('remotes', { skip: missing }, () => {
  const pullFrom = async (repository: Repository, name: string, ref: string, deltas = false) => {
    const access = await ostreeRemoteAccess(repository, name)
    const open = () => openRemoteOstree(repository, access.url, { ...quick, ...access.source })
    return pull(repository, open, { ref, deltas, ...access.pull })
  }

  test('are refused for what pulls cannot do, and for keys that are missing', async (t) => {
    const repository = await temporaryRepository(t)
    const url = 'http://127.0.0.1:9/'
    const cases: [message: RegExp, url: string, settings: Record<string, string>][] = [
      [/there is no key/, url, { 'gpg-verify': 'true' }],
      [/metalink, which/, `metalink=${url}`, {}],
      [/tls-client-cert-path, which/, url, { 'tls-client-cert-path': '/a', 'tls-client-key-path': '/b' }],
      [/tls-ca-path, which/, url, { 'tls-ca-path': '/a' }],
      [/proxy, which/, url, { proxy: url }],
      [/custom-backend, which/, url, { 'custom-backend': 'rpm' }],
      [/cannot be used yet: come later/, url, { 'unconfigured-state': 'come later' }],
    ]
    for (const [message, url, settings] of cases) {
      const all = new Map(Object.entries({ 'gpg-verify': 'false', ...settings }))
      await addOstreeRemote(repository, 'other', url, { existing: 'replace', settings: all })
      await assert.rejects(ostreeRemoteAccess(repository, 'other'), { message })
    }
    await assert.rejects(ostreeRemoteAccess(repository, 'nobody'), { code: 'SLUICE_NOT_FOUND' })
  })

  test('have their own trust in summaries, and a collection', async (t) => {
    const { url } = await serveOstree(t, unpackOstree(t, 'archive'))
    const repository = await temporaryRepository(t)
    const settings = new Map([['gpg-verify-summary', 'true']])
    const common = { gpgVerify: false, settings }
    await addOstreeRemote(repository, 'wrong', url, { ...common, gpgImport: key('wrongkey.gpg') })
    await addOstreeRemote(repository, 'right', url, { ...common, gpgImport: key('key.gpg') })
    await addOstreeRemote(repository, 'bound', url, { gpgVerify: false, collectionId: 'org.example.Os' })
    await refused(repository, pullFrom(repository, 'wrong', 'empty'), /the summary of .* no valid OpenPGP/)
    await refused(repository, pullFrom(repository, 'bound', 'empty'), /bound to no collection/)
    await pullFrom(repository, 'right', 'empty')
  })

  test('may have contents elsewhere: files and parts of deltas', async (t) => {
    const archive = unpackOstree(t, 'archive')
    const [metadata, contents] = [await serveOstree(t, archive), await serveOstree(t, archive)]
    const repository = await temporaryRepository(t)
    const signVerify = [`ed25519=file:${key('ed25519.pub.b64')}`]
    await addOstreeRemote(repository, 'apart', metadata.url, { gpgVerify: false, signVerify, contentUrl: contents.url })
    await pullFrom(repository, 'apart', ids().D1, true)
    assert.ok(contents.log.length > 0 && contents.log.every((line) => /^\/deltas\/.*\/\d+ 200$/.test(line)))
    const { length } = contents.log
    await addOstreeRemote(repository, 'apart', metadata.url, {
      existing: 'replace',
      gpgVerify: false,
      contentUrl: contents.url,
    })
    await pullFrom(repository, 'apart', 'alpha/main')
    const files = contents.log.slice(length)
    assert.ok(files.length > 0 && files.every((line) => line.endsWith('.filez 200')))
    assert.ok(metadata.log.every((line) => !line.includes('.filez')))
  })
})
