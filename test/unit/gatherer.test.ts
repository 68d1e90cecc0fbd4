/** Bodies of blobs: pushed in pieces of any size, pulled in chunks that fill their memory. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { PinnedBuffer } from '../../src/native/pinned-buffer.js'
import type { OutputMemory } from '../../src/stages/decompress/output-memory.js'
import { Gatherer } from '../../src/stages/fetch/registry/gatherer.js'
import { noise } from '../helpers/registry-images.js'

/** Two buffers of this size, which are overwritten when they are given back. */
class TwoBuffers implements OutputMemory {
  taken = 0
  readonly #free: PinnedBuffer[]

  constructor(size: number) {
    this.#free = [PinnedBuffer.allocate(size), PinnedBuffer.allocate(size)]
  }

  take(): PinnedBuffer {
    this.taken++
    return this.#free.pop()!
  }

  give(memory: PinnedBuffer): void {
    this.taken--
    memory.bytes.fill(0xaa)
    this.#free.push(memory)
  }
}

/** Writes the pieces of `body` one after the other, as a connection does, and ends. */
async function writeAll(gatherer: Gatherer, body: Buffer, sizes: readonly number[], failure?: Error): Promise<void> {
  for (let at = 0, i = 0; at < body.length; i++) {
    const piece = Buffer.from(body.subarray(at, at + sizes[i % sizes.length]))
    at += piece.length
    const taken = gatherer.write(piece)
    if (taken !== undefined) await taken
    // Taken is taken: whoever wrote it may use its memory again.
    piece.fill(0x55)
  }
  gatherer.end(failure)
}

test('all that is written comes, in chunks that are full but for the last one', async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 6 })
  const property = fc.asyncProperty(
    fc.nat(20_000),
    sizes,
    fc.integer({ min: 1, max: 3000 }),
    async (length, sizes, room) => {
      const body = noise(length)
      const memory = new TwoBuffers(room)
      const gatherer = new Gatherer()
      const written = writeAll(gatherer, body, sizes)
      const chunks: Buffer[] = []
      for await (const chunk of gatherer.chunks(memory)) chunks.push(Buffer.from(chunk))
      await written
      assert.ok(Buffer.concat(chunks).equals(body))
      assert.ok(chunks.slice(0, -1).every((chunk) => chunk.length === room))
      assert.equal(memory.taken, 0)
    },
  )
  await fc.assert(property, { numRuns: 100 })
})

test('a failure comes behind what came before it', async () => {
  const memory = new TwoBuffers(1000)
  const gatherer = new Gatherer()
  const failure = new Error('the connection broke')
  void writeAll(gatherer, noise(2500), [700], failure)
  let length = 0
  const read = async (): Promise<void> => {
    for await (const chunk of gatherer.chunks(memory)) length += chunk.length
  }
  await assert.rejects(read, failure)
  assert.equal(length, 2500)
  assert.equal(memory.taken, 0)
})

test('a writer waits for its reader, but not for one that has gone', async () => {
  const memory = new TwoBuffers(1000)
  const gatherer = new Gatherer()
  let isWritten = false
  const written = writeAll(gatherer, noise(10_000), [1500]).then(() => (isWritten = true))
  for await (const chunk of gatherer.chunks(memory)) {
    assert.equal(chunk.length, 1000)
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(isWritten, false)
    break
  }
  await written
  assert.equal(memory.taken, 0)
})
