/** What fuzzing and reading found: inputs that once cost far more than they are worth. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { SluiceError } from '../../src/errors.js'
import { readDumpfile } from '../../src/formats/dumpfile/read.js'
import { writeErofs } from '../../src/formats/erofs/write.js'
import { imageLayers } from '../../src/formats/oci/image-layers.js'
import { parseManifest } from '../../src/formats/oci/manifest.js'
import { noInstance } from '../../src/formats/oci/platform.js'
import { redactText } from '../../src/formats/redact.js'
import { readSplitstream } from '../../src/formats/splitstream/read.js'
import { encodeSplitstreamHead } from '../../src/formats/splitstream/write.js'
import { newDirectory, noXattrs } from '../../src/formats/tree/tree.js'
import type { ObjectId } from '../../src/formats/digest.js'
import { rawFrame } from '../fuzz/zstd-frames.js'

/** The error of `work`, whose message has to be of a length that people read. */
function refusal(work: () => unknown): SluiceError {
  try {
    work()
  } catch (error) {
    assert.ok(error instanceof SluiceError, String(error))
    assert.ok(error.message.length < 3000, `a message of ${error.message.length} characters`)
    return error
  }
  return assert.fail('it was accepted')
}

const dumpfile = (...lines: string[]) =>
  readDumpfile(Buffer.from(`${['/ 0 40755 2 0 0 0 0.0 - - -', ...lines].join('\n')}\n`), { algorithm: 'sha256' })

function streamWithNames(frame: Buffer): () => unknown {
  const file = encodeSplitstreamHead({
    algorithm: 'sha256',
    contentType: 'ocilayer',
    size: 0,
    streamRefs: ['0'.repeat(64) as ObjectId],
    objectRefs: [],
    namedRefs: frame,
    streamLength: 0,
  })
  const read = (offset: number, length: number) => file.subarray(offset, offset + length)
  return () => readSplitstream({ size: file.length, read }, 'sha256')
}

test('2 KiB of names that inflate to 64 MiB end at 16', () => {
  const block = (last: number) => Buffer.from([0x02 | last, 0x00, 0x10, 0x61])
  const frame = Buffer.concat([
    Buffer.from('28b52ffd0058', 'hex'),
    ...Array.from({ length: 512 }, (_, i) => block(i === 511 ? 1 : 0)),
  ])
  const before = process.memoryUsage().arrayBuffers
  const error = refusal(streamWithNames(frame))
  assert.ok(error.cause instanceof SluiceError && /more than 16777216 bytes/.test(error.cause.message))
  assert.ok(process.memoryUsage().arrayBuffers - before < 64 * 2 ** 20)
})

test('a name of a megabyte is not quoted whole', () => {
  const name = '\u0001'.repeat(1 << 20)
  refusal(streamWithNames(rawFrame(Buffer.from(`${name}\0`))))
  refusal(streamWithNames(rawFrame(Buffer.from(`7:${name}\0`))))
  const line = '0 100644 1 0 0 0 0.0 - - -'
  refusal(() => dumpfile(`/${name} ${line}`))
  refusal(() => dumpfile(`/x/${name} ${line}`))
  const root = newDirectory({ mode: 0o755, uid: 0, gid: 0, mtime: 0n, mtimeNsec: 0, xattrs: noXattrs })
  root.entries.set(name, newDirectory(root.stat))
  refusal(() => writeErofs(root, { version: 1 }))
})

test('documents with long fields are not quoted whole', () => {
  const long = 'x'.repeat(1 << 20)
  const digest = `sha256:${'0'.repeat(64)}`
  const json = (document: object) => Buffer.from(JSON.stringify({ schemaVersion: 2, ...document }))
  const layer = { mediaType: long, digest, size: 1 }
  const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: 1 }
  const manifest = json({ config, layers: [layer] })
  refusal(() => parseManifest(json({ mediaType: long, config, layers: [] }), 'manifest'))
  refusal(() => parseManifest(json({ config, layers: [], annotations: { [long]: 1 } }), 'manifest'))
  refusal(() => parseManifest(json({ config: { ...config, digest: `x:${long}` }, layers: [] }), 'manifest'))
  const text = JSON.stringify({ architecture: 'a', os: 'linux', rootfs: { diff_ids: [digest] } })
  refusal(() => imageLayers(parseManifest(manifest, 'manifest'), Buffer.from(text)))
  const platforms = Array.from({ length: 5000 }, (_, i) => ({ os: `os${i}`, architecture: i === 0 ? long : 'a' }))
  assert.match(noInstance('index', platforms[0], platforms).message.slice(-2000), /, and 4970 more$/)
})

test('numbers of millions of digits are not computed', () => {
  const digits = '9'.repeat(5_000_000)
  for (const line of [
    `/a ${digits} 100644 1 0 0 0 0.0 - - -`,
    `/a 0 100644 1 0 0 0 ${digits}.0 - - -`,
    `/a 0 100644 1 0 0 0 -${digits}.0 - - -`,
  ]) {
    assert.match(refusal(() => dumpfile(line)).message, /does not fit 64 bits/)
  }
  const zeros = '0'.repeat(1000)
  assert.equal(dumpfile(`/a +${zeros} 100644 1 0 0 0 -${zeros}7.0 - - -`).root.entries.size, 1)
})

test('a line of millions of spaces is not taken apart to the end', () => {
  refusal(() => dumpfile(' '.repeat(10_000_000)))
  const field = '/a 0 100644 1 0 0 0 0.0 - - -'
  assert.match(refusal(() => dumpfile(`${field}${' k='.repeat(100_000)}`)).message, /too many bytes of xattrs/)
  assert.equal(dumpfile(`${field}${' k='.repeat(21_845)}`).root.entries.size, 1)
})

test('text without a secret is looked through once', () => {
  // Tried at every character, each of these took minutes.
  for (const text of ['a', 'a:', ':a', 'a/', '@', 'a:b@', 'http://']) {
    assert.ok(!redactText(text.repeat(150_000)).includes('b@'))
  }
})

test('user information is taken out, whatever stands around it', () => {
  const around = fc.string({ unit: fc.constantFrom('a', ':', '/', '@', ' ', '.', '\n', 'http://', 'sha256') })
  const word = fc.stringMatching(/^[a-z.]{1,9}$/)
  fc.assert(
    fc.property(around, word, around, (before, user, after) => {
      const redacted = redactText(`${before}${user}:s3cr3t@host${after}`)
      assert.ok(!redacted.includes('s3cr3t'), redacted)
    }),
  )
  assert.equal(
    redactText(`registry.example/app:1@sha256:${'0'.repeat(64)}`),
    `registry.example/app:1@sha256:${'0'.repeat(64)}`,
  )
  assert.equal(redactText('user:pass@host/name and x@y'), '***@host/name and x@y')
})
