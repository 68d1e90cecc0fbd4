/** Streams of commits whose stated size is not that of their payload, or that hold objects (ostree.md §4.1). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HEADER_SIZE, infoLayout } from '../../src/formats/splitstream/format.js'
import { ostreeContentType } from '../../src/formats/ostree/commit-stream-format.js'
import { inlineStream } from '../../src/stages/ostree/inline-stream.js'
import { readInline } from '../../src/stages/ostree/stored-commit.js'
import { SplitstreamWriter } from '../../src/stages/splitstream/write.js'
import { temporaryRepository } from '../helpers/temporary.js'

test('a payload is read up to the size that its stream states', async (t) => {
  const repository = await temporaryRepository(t)
  const payload = Buffer.alloc(10_000, 'payload')
  const whole = { size: payload.length, externals: [], pieces: () => [payload] }
  const encode = await inlineStream(repository.algorithm, ostreeContentType.commit, whole)
  const read = async (stated: bigint) => {
    const file = Buffer.concat(await encode([]))
    file.writeBigUInt64LE(stated, HEADER_SIZE + infoLayout.size)
    repository.streams.link('commit', repository.objects.store(file).id)
    const stream = repository.openStream('commit', ostreeContentType.commit)
    try {
      return await readInline(stream, 'commit')
    } finally {
      stream.close()
    }
  }
  assert.deepEqual(await read(10_000n), payload)
  await assert.rejects(read(9_999n), { code: 'SLUICE_FORMAT', message: /longer than it states/ })
  for (const stated of [2n ** 31n + 1n, 2n ** 64n - 1n]) {
    await assert.rejects(read(stated), { code: 'SLUICE_FORMAT', message: /it states/ })
  }
})

test('a payload is no object', async (t) => {
  const repository = await temporaryRepository(t)
  const { id, size } = repository.objects.store(Buffer.alloc(100))
  const writer = new SplitstreamWriter(repository.objects, ostreeContentType.commit)
  writer.external(id, size)
  repository.streams.link('commit', (await writer.finish()).id)
  const stream = repository.openStream('commit', ostreeContentType.commit)
  t.after(() => stream.close())
  await assert.rejects(readInline(stream, 'commit'), { code: 'SLUICE_FORMAT', message: /holds an object/ })
})
