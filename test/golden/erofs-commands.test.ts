import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { after, test } from 'node:test'
import type { Command } from 'commander'
import { composefsInfoCommand } from '../../src/cli/commands/composefs-info.js'
import { mkcomposefsCommand } from '../../src/cli/commands/mkcomposefs.js'
import { SluiceError } from '../../src/errors.js'
import { hasVector, readJsonVector, vectorPath } from '../helpers/vectors.js'

const directory = mkdtempSync(join(tmpdir(), 'sluice-erofs-'))
after(() => rmSync(directory, { recursive: true, force: true }))

const id = 'ab'.repeat(32)
const otherId = 'cd'.repeat(32)
const dump = [
  '/ 0 40755 3 0 0 0 10.0 - - -',
  '/d 0 40755 2 0 0 0 10.0 - - -',
  `/d/f 5 100644 2 0 0 0 10.0 ab/${id.slice(2)} - ${id}`,
  '/d/w 0 20644 1 0 0 0 10.0 - - -',
  '/e 0 @120000 - - - - 0.0 /d/f - -',
  `/g 5 100644 1 0 0 0 10.0 cd/${otherId.slice(2)} - -`,
  '/l 1 120777 1 0 0 0 10.5 x - - user.\\x20=\\xff',
  '',
].join('\n')
const dumpFile = join(directory, 'dump')
writeFileSync(dumpFile, dump)

interface Result {
  readonly stdout: Buffer
  readonly stderr: string
  readonly status: number
}

async function run(
  make: (streams: { stdin: Readable; stdout: PassThrough; stderr: PassThrough }) => Command,
  args: string[],
  input = '',
) {
  const streams = { stdin: Readable.from([Buffer.from(input)]), stdout: new PassThrough(), stderr: new PassThrough() }
  const output = Promise.all([buffer(streams.stdout), buffer(streams.stderr)])
  const before = process.exitCode
  try {
    await make(streams).parseAsync(args, { from: 'user' })
  } finally {
    streams.stdout.end()
    streams.stderr.end()
  }
  const status = Number(process.exitCode ?? 0)
  process.exitCode = before
  const [stdout, stderr] = await output
  return { stdout, stderr: stderr.toString(), status } satisfies Result
}

const mkcomposefs = (args: string[], input?: string) => run(mkcomposefsCommand, args, input)
const composefsInfo = (...args: string[]) => run(({ stdout }) => composefsInfoCommand(stdout), args)

test('mkcomposefs writes, prints digests, reads standard input and writes standard output', async () => {
  const image = join(directory, 'image')
  const written = await mkcomposefs(['--from-file', '--print-digest', dumpFile, image])
  assert.equal(written.status, 0)
  assert.match(written.stdout.toString(), /^[0-9a-f]{64}\n$/)
  const bytes = readFileSync(image)
  // The whiteout bumps the default version.
  assert.equal(bytes.readUInt32LE(12), 1)

  const only = await mkcomposefs(['--from-file', '--print-digest-only', '-'], dump)
  assert.deepEqual(only.stdout, written.stdout)
  const piped = await mkcomposefs(['--from-file', '-', '-'], dump)
  assert.ok(piped.stdout.equals(bytes))
  const sha512 = await mkcomposefs(
    ['--from-file', '--print-digest-only', '--hash', 'sha512', '-'],
    dump.replaceAll(` ${id}`, ' -'),
  )
  assert.match(sha512.stdout.toString(), /^[0-9a-f]{128}\n$/)
})

test('mkcomposefs selects the version as the flags say', async () => {
  const choices: [string[], number][] = [
    [[], 1],
    [['--max-version=0'], 0],
    [['--min-version=0'], 0],
    [['--min-version=1'], 1],
    [['--max-version=1'], 1],
    [['--format=v0'], 0],
    [['--format=v1'], 1],
    [['--format=v2'], 2],
  ]
  for (const [flags, version] of choices) {
    const { stdout } = await mkcomposefs(['--from-file', ...flags, dumpFile, '-'])
    assert.equal(stdout.readUInt32LE(12), version, flags.join(' '))
  }
})

test('mkcomposefs leaves no file and exits with 1 when it refuses', async () => {
  const image = join(directory, 'refused')
  const malformed = join(directory, 'malformed')
  writeFileSync(malformed, '/ 0 40755 2 0 0 0 10.0 - - -\n/f 0 100644 1 0 0 0 5 - - -\n')
  const wrong: string[][] = [
    ['--from-file', malformed, image],
    ['--from-file', join(directory, 'missing'), image],
    ['--from-file', '--min-version=2', dumpFile, image],
    ['--from-file', '--max-version=2', dumpFile, image],
    ['--from-file', '--max-version=x', dumpFile, image],
    ['--from-file', '--format=v1', '--min-version=1', dumpFile, image],
    ['--from-file', '--hash=sha512', dumpFile, image],
    ['--from-file', '--print-digest-only', dumpFile, image],
    ['--from-file', dumpFile],
    ['--from-file', dumpFile, join(directory, 'no', 'such', 'directory')],
    [dumpFile, image],
  ]
  const before = readdirSync(directory)
  for (const args of wrong) {
    const { status, stderr, stdout } = await mkcomposefs(args)
    assert.equal(status, 1, args.join(' '))
    assert.match(stderr, /^mkcomposefs: .+\n$/)
    assert.equal(stdout.length, 0)
    assert.ok(!existsSync(image), args.join(' '))
  }
  assert.deepEqual(readdirSync(directory), before)
  assert.match((await mkcomposefs(['--from-file', malformed, image])).stderr, /line 2: .*MTIME/)
})

test('mkcomposefs replaces an image only when the new one is complete, and never a device', async () => {
  const image = join(directory, 'replaced')
  writeFileSync(image, 'old')
  await mkcomposefs(['--from-file', '-', image], 'malformed')
  assert.equal(readFileSync(image, 'utf8'), 'old')
  await mkcomposefs(['--from-file', dumpFile, image])
  assert.ok(readFileSync(image).length >= 4096)
  const { status } = await mkcomposefs(['--from-file', dumpFile, '/dev/null'])
  assert.equal(status, 0)
  assert.equal(readFileSync('/dev/null').length, 0)
})

test('composefs-info prints dumps and objects of several images in turn', async () => {
  const images = await Promise.all(
    ['v0', 'v1', 'v2'].map(async (format) => {
      const image = join(directory, format)
      await mkcomposefs(['--from-file', `--format=${format}`, dumpFile, image])
      return image
    }),
  )
  // A file without digest is printed with the one in its path, as the reference does.
  const printed = dump.replace(` - -\n/l`, ` - ${otherId}\n/l`)
  assert.equal((await composefsInfo('dump', images[0], images[1])).stdout.toString(), printed + printed)
  assert.equal((await composefsInfo('dump', images[2])).stdout.toString(), printed.replace('10.5', '10.0'))
  assert.equal((await composefsInfo('objects', images[1])).stdout.toString(), `ab/${id.slice(2)}\n`)
  assert.equal((await composefsInfo('dump')).stdout.length, 0)
})

test('composefs-info refuses what is no image, and digests of the other algorithm', async () => {
  const image = join(directory, 'sha256')
  await mkcomposefs(['--from-file', dumpFile, image])
  const isSluiceError = (error: unknown) => error instanceof SluiceError
  await assert.rejects(composefsInfo('dump', dumpFile), isSluiceError)
  await assert.rejects(composefsInfo('objects', join(directory, 'missing')), isSluiceError)
  await assert.rejects(composefsInfo('dump', '--hash', 'sha512', image), isSluiceError)
})

test('mkcomposefs gives the images of the vectors', async (t) => {
  interface Expected {
    readonly alg: string
    readonly file: string
    readonly c_mkcomposefs?: { readonly default: string }
  }
  let compared = 0
  for (const { alg, file, c_mkcomposefs: c } of Object.values(
    readJsonVector<Record<string, Expected>>('erofs', 'expected.json'),
  )) {
    if (c === undefined || file.endsWith('.gz') || !hasVector('erofs', file)) continue
    const { stdout } = await mkcomposefs(['--from-file', '--hash', alg, vectorPath('erofs', file), '-'])
    assert.equal(createHash('sha256').update(stdout).digest('hex'), c.default, file)
    compared++
  }
  if (compared === 0) t.skip('no plain dumps in the set of vectors at hand')
})
