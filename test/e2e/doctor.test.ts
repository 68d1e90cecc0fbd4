/** `sluice doctor` and the words of `sluice bench`, as a person sees them. */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { hostCapabilities } from '../../src/native/capabilities.js'
import { sluice } from '../helpers/cli.js'
import { temporaryDirectory } from '../helpers/temporary.js'

interface Report {
  readonly v: number
  readonly node: string
  readonly host: Readonly<Record<string, unknown>> & { readonly libraries: Readonly<Record<string, string>> }
  readonly storage?: { readonly directory: string; readonly can?: Readonly<Record<string, boolean>> }
}

const native = hostCapabilities()
const needsNative = { skip: native.native !== 'on' && 'there is no native code here, or SLUICE_NATIVE=off' }

test('doctor tells which libraries are in use, and that they passed their tests', needsNative, async () => {
  const { status, stdout, stderr } = await sluice(['doctor'])
  assert.equal(status, 0, stderr)
  assert.match(stdout, /^sluice \d+\.\d+\.\d+.*, Node v\d+\.\d+/)
  assert.match(stdout, /^ {2}native code {3}on$/m)
  for (const [name, decodes] of [
    ['libisal', 'gzip'],
    ['libdeflate', 'files of ostree repositories of mode archive'],
    ['libzstd', 'zstd'],
    ['liblzma', 'static deltas of ostree'],
  ] as const) {
    const file = native.libraries[name]
    if (file === undefined)
      assert.match(stdout, new RegExp(`^  ${name} +missing: .*\\n +get it with "apt install`, 'm'))
    else assert.match(stdout, new RegExp(`^  ${name} +${file}, passed its known-answer test; decodes ${decodes}$`, 'm'))
  }
  assert.match(stdout, /^ {2}flock {9}yes$/m)
})

test('doctor without native code tells what it would bring', async () => {
  const { status, stdout, stderr } = await sluice(['doctor'], { env: { SLUICE_NATIVE: 'off' } })
  assert.equal(status, 0, stderr)
  assert.match(stdout, /native code {3}off: SLUICE_NATIVE=off/)
  assert.match(stdout, /^ {2}libc +not looked for: no secure repositories, no mounts, and gc refuses/m)
  assert.match(stdout, /^ {2}libisal +not looked for: Node's zlib decodes gzip; with it, 1\.3 times/m)
  assert.match(stdout, /^ {2}libzstd +not looked for: portable code decodes zstd; with it, 11 times/m)
  assert.match(stdout, /^ {2}flock +no: needs native code$/m)
})

async function report(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Report> {
  const { status, stdout, stderr } = await sluice(['doctor', '--json', ...args], { env })
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout) as Report
}

test('doctor --json says the same for programs', async () => {
  const here = await report([])
  assert.equal(here.v, 1)
  assert.equal(here.node, process.version)
  assert.deepEqual(here.host, JSON.parse(JSON.stringify(native)))
  assert.equal(here.storage, undefined)

  const { host } = await report([], { SLUICE_NATIVE: 'off' })
  assert.equal(host['native'], 'off')
  assert.deepEqual(host['decoders'], { gzip: 'portable', zstd: 'portable', deflate: 'portable', xz: 'portable' })
  assert.deepEqual(host.libraries, {})
})

test('doctor --repo tries out the file system where the repository is or will be, and leaves nothing there', async (t) => {
  const directory = temporaryDirectory(t)
  for (const path of [directory, join(directory, 'not', 'yet', 'there')]) {
    const { storage } = await report(['--repo', path])
    assert.equal(storage?.directory, directory)
    assert.deepEqual(Object.keys(storage.can ?? {}).sort(), ['reflink', 'verity'])
  }
  const text = await sluice(['doctor'], { env: { SLUICE_REPO: directory } })
  assert.ok(text.stdout.includes(`\n${directory}: `), text.stdout)
  assert.match(
    text.stdout,
    /^ {2}fs-verity +(yes; repositories here can be secure|no: repositories here are insecure)$/m,
  )
  assert.deepEqual(readdirSync(directory), [])
})

test('a path that cannot be tried out is no failure of doctor', async (t) => {
  const directory = temporaryDirectory(t)
  const file = join(directory, 'file')
  writeFileSync(file, '')
  mkdirSync(join(directory, 'x'))
  const { status, stdout } = await sluice(['doctor', '--repo', file])
  assert.equal(status, 0)
  assert.match(stdout, /cannot try out .*ENOTDIR/)
})

test('bench --help names every subcommand', async () => {
  const { status, stdout } = await sluice(['bench', '--help'])
  assert.equal(status, 0)
  for (const name of ['corpora', 'run', 'memory', 'micro', 'compare', 'report']) {
    assert.match(stdout, new RegExp(`^  ${name} `, 'm'))
  }
  assert.match(stdout, /--quick/)
})
