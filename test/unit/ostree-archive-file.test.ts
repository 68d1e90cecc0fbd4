/** `.filez` objects: what follows the header is a deflate stream of as much as that states, and may be missing where that is nothing. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { deflateRawSync } from 'node:zlib'
import { SluiceError, type ErrorCode } from '../../src/errors.js'
import { writeSizedZlibHeader } from '../../src/formats/ostree/file-header.js'
import { fileId } from '../../src/formats/ostree/file-id.js'
import { ArchiveFileReader } from '../../src/stages/ostree/archive-file.js'
import { storeInBatch } from '../../src/stages/ostree/store-in-batch.js'
import { temporaryRepository } from '../helpers/temporary.js'

const none = Buffer.alloc(0)
const owner = { uid: 0, gid: 0, xattrs: [], size: 0 }
const deflated = (text: string): Buffer => deflateRawSync(Buffer.from(text))

for (const [what, header] of [
  ['a symlink', { ...owner, mode: 0o120777, target: 'there' }],
  ['an empty file', { ...owner, mode: 0o100644, target: '' }],
] as const) {
  test(`what follows the header of ${what}`, async (t) => {
    const { objects } = await temporaryRepository(t)
    const read = (data: Buffer, isWhole: boolean) =>
      storeInBatch(objects, async (batch, inflaters) => {
        const reader = new ArchiveFileReader(inflaters, (headers) => batch.open(fileId(header, none), headers))
        const object = Buffer.concat([writeSizedZlibHeader(header), data])
        if (isWhole) await reader.takeWhole(object)
        else for (const byte of object) await reader.push(Buffer.of(byte))
        await reader.end()
      })
    const cases: readonly [what: string, data: Buffer, code?: ErrorCode][] = [
      ['nothing', none],
      ['a stream of nothing', deflated('')],
      ['a stream of nothing, and more', Buffer.concat([deflated(''), Buffer.from('more')])],
      ['half a stream', deflated('').subarray(0, 1), 'SLUICE_FORMAT'],
      ['a stream of three bytes', deflated('abc'), 'SLUICE_SIZE_MISMATCH'],
      ['no stream', Buffer.from([0xff, 0xff]), 'SLUICE_COMPRESSION'],
    ]
    for (const isWhole of [true, false]) {
      for (const [follows, data, code] of cases) {
        if (code === undefined)
          assert.deepEqual(Buffer.concat((await read(data, isWhole)).data), writeSizedZlibHeader(header), follows)
        else {
          const isRefused = (error: unknown) =>
            error instanceof SluiceError && error.code === code && !error.message.startsWith('gzip')
          await assert.rejects(read(data, isWhole), isRefused, follows)
        }
      }
    }
  })
}

for (const size of [10, 2 ** 21]) {
  test(`a size in the header that is not that of the content, ${size} bytes; no id covers it`, async (t) => {
    const { objects } = await temporaryRepository(t)
    const content = Buffer.alloc(size, 'x')
    const header = { ...owner, mode: 0o100644, target: '' }
    for (const stated of [size - 1, size, size + 1]) {
      for (const isWhole of [true, false]) {
        const read = storeInBatch(objects, async (batch, inflaters) => {
          const reader = new ArchiveFileReader(inflaters, (headers) => batch.open(fileId(header, content), headers))
          const object = Buffer.concat([writeSizedZlibHeader({ ...header, size: stated }), deflateRawSync(content)])
          try {
            await (isWhole ? reader.takeWhole(object) : reader.push(object))
            await reader.end()
          } catch (error) {
            reader.abort()
            throw error
          }
        })
        if (stated === size) await read
        else await assert.rejects(read, { code: 'SLUICE_SIZE_MISMATCH' })
      }
    }
  })
}

test('the portable inflater does the same', { skip: process.env['SLUICE_NATIVE'] === 'off' && 'it did' }, () => {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const run = spawnSync(process.execPath, [fileURLToPath(import.meta.url)], {
    env: { ...env, SLUICE_NATIVE: 'off' },
    encoding: 'utf8',
  })
  assert.equal(run.status, 0, run.stdout)
})
