/** Static deltas: every superblock and part of the vectors, carried out in memory. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash, createPublicKey, verify } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { applyPatch } from '../helpers/apply-patch.js'
import { partCompression, readPartPayload } from '../../src/formats/ostree/delta/part.js'
import { deltaSteps } from '../../src/formats/ostree/delta/steps.js'
import { readSuperblock, type Superblock } from '../../src/formats/ostree/delta/superblock.js'
import { fileId, FileIdHasher } from '../../src/formats/ostree/file-id.js'
import { hashMetadata } from '../../src/formats/ostree/ostree-id.js'
import { signaturesOf } from '../../src/formats/ostree/signatures.js'
import { openFilez } from '../helpers/ostree-objects.js'
import { unpackOstree } from '../helpers/ostree-vectors.js'
import { hasVector, readVector, vectorPath } from '../helpers/vectors.js'

const hasXz = spawnSync('xz', ['--version']).status === 0
const skip = !hasVector('ostree') ? 'no ostree vectors' : hasXz ? false : 'no xz to decompress parts with'

const D1 = '4d2ac643acc91158a931bb033ad4baa493ee8b721471ceb6560d34f017ea2832'
const D2 = 'e16c9d7552ac26a8165b7be7a79d9662fbc968a7c7b255b575af9c5ff59bd13b'

interface Opened {
  readonly superblock: Superblock
  /** Part files. */
  readonly parts: readonly Buffer[]
  readonly file: Buffer
}

function openDelta(path: string): Opened {
  const file = readFileSync(path)
  const superblock = readSuperblock({
    size: file.length,
    read: (offset, length) => {
      assert.ok(offset >= 0 && length >= 0 && offset + length <= file.length, 'a read outside the file')
      return file.subarray(offset, offset + length)
    },
  })
  const parts = superblock.parts.map(({ inline }, index) =>
    inline === undefined
      ? readFileSync(join(dirname(path), String(index)))
      : file.subarray(inline.offset, inline.offset + inline.length),
  )
  return { superblock, parts, file }
}

function decompressPart(part: Buffer): Buffer {
  const payload = part.subarray(1)
  if (partCompression(part[0]) === 'none') return payload
  return execFileSync('xz', ['-dc'], { input: payload, maxBuffer: 64 * 1024 * 1024 })
}

/** Carries a delta out; gives how many objects it makes, by kind of step. */
function apply({ superblock, parts }: Opened, contentOf: (id: string) => Buffer): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const [index, part] of parts.entries()) {
    const { digest, objects } = superblock.parts[index]
    assert.equal(createHash('sha256').update(part).digest('hex'), digest)
    const payload = decompressPart(part)
    let hasher: FileIdHasher | undefined
    let open = ''
    for (const step of deltaSteps(readPartPayload(payload), objects)) {
      counts[step.kind] = (counts[step.kind] ?? 0) + 1
      switch (step.kind) {
        case 'metadata':
          assert.equal(hashMetadata(step.data), step.id)
          break
        case 'file':
          assert.equal(fileId(step.header, step.content), step.id)
          break
        case 'open':
          hasher = new FileIdHasher(step.header)
          open = step.id
          break
        case 'append':
          hasher!.update(step.data)
          break
        case 'copy':
          hasher!.update(contentOf(step.source).subarray(step.offset, step.offset + step.length))
          break
        case 'patch':
          hasher!.update(applyPatch(contentOf(step.source), step.patch, step.size))
          break
        case 'close':
          assert.equal(hasher!.digest(), open)
          break
      }
    }
  }
  return counts
}

function archiveContent(archive: string): (id: string) => Buffer {
  return (id) => openFilez(readFileSync(join(archive, 'objects', id.slice(0, 2), `${id.slice(2)}.filez`))).content
}

function superblocksBelow(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((name) => join(root, name))
    .filter((path) => statSync(path).isFile() && !/\/\d+$/.test(path))
    .sort()
}

function checkDelta(t: TestContext, path: string, archive: string): Opened {
  const delta = openDelta(path)
  const { superblock } = delta
  assert.equal(hashMetadata(superblock.commit), superblock.to)
  const commit = join(archive, 'objects', superblock.to.slice(0, 2), `${superblock.to.slice(2)}.commit`)
  assert.deepEqual(superblock.commit, readFileSync(commit))
  for (const { type, id } of superblock.fallbacks) {
    assert.equal(type, 'file')
    assert.ok(existsSync(join(archive, 'objects', id.slice(0, 2), `${id.slice(2)}.filez`)))
  }
  const counts = apply(delta, archiveContent(archive))
  t.diagnostic(`${path.slice(-30)}: ${JSON.stringify(counts)}`)
  return delta
}

test('the deltas of the archive make the objects they say', { skip }, (t) => {
  const archive = unpackOstree(t, 'archive')
  const deltas = superblocksBelow(join(archive, 'deltas')).map((path) => checkDelta(t, path, archive))
  assert.deepEqual(
    deltas.map(({ superblock: { from, to } }) => [from, to]),
    [
      [D1, D2],
      [undefined, D1],
    ],
  )
  assert.equal(
    deltas.reduce((sum, { superblock }) => sum + superblock.fallbacks.length, 0),
    1,
  )
})

test('single-file and directory deltas, of either byte order, signed or not', { skip }, (t) => {
  const archive = unpackOstree(t, 'archive')
  const opened = new Map(
    superblocksBelow(vectorPath('ostree', 'deltas')).map((path) => [
      path.slice(vectorPath('ostree', 'deltas').length + 1),
      checkDelta(t, path, archive),
    ]),
  )
  assert.equal(opened.size, 7)
  assert.equal(opened.get('diff-fallback.delta')!.superblock.fallbacks.length, 1)
  assert.deepEqual(
    opened.get('diff-bigendian.delta')!.superblock.parts.map(({ digest }) => digest),
    opened.get('diff-inline.delta')!.superblock.parts.map(({ digest }) => digest),
  )
  const steps = (name: string) => apply(opened.get(name)!, archiveContent(archive))
  assert.ok(steps('diff-inline.delta')['patch'] > 0)
  assert.equal(steps('diff-nobsdiff.delta')['patch'], undefined)
  assert.ok(steps('diff-nobsdiff.delta')['copy'] > 0)

  const { superblock, file } = opened.get('diff-inline-signed.delta')!
  const { signatures, data } = superblock.signed!
  const [signature] = signaturesOf(signatures, 'ed25519')
  const key = createPublicKey(readVector('ostree', 'keys', 'ed25519.pub.pem'))
  assert.ok(verify(null, file.subarray(data.offset, data.offset + data.length), key, signature))
})
