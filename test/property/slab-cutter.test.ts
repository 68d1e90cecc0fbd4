/** Bodies come out of slabs as they went in, wherever the slabs end. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { verityDigest } from '../../src/formats/verity/digest.js'
import { LargeObject } from '../../src/stages/object/large-object.js'
import { hashesOfPieces, storeBatch } from '../../src/stages/object/object-batch.js'
import { SLAB_BYTES, SLAB_HEADROOM, SlabPool } from '../../src/stages/slab/slab-pool.js'
import { SlabCutter } from '../../src/stages/tar/slab-cutter.js'
import { noise } from '../helpers/registry-images.js'
import { directory, endMarker, header } from '../helpers/tar-build.js'
import { joinParts, splitTar } from '../helpers/tar-parts.js'
import { temporaryRepository } from '../helpers/temporary.js'

const sizes = fc.oneof(
  fc.nat(200),
  fc.nat(20_000),
  fc.constantFrom(65, 4095, 4096, 4097, SLAB_HEADROOM - 1, SLAB_HEADROOM, SLAB_HEADROOM + 1, SLAB_BYTES + 1),
  fc.integer({ min: SLAB_HEADROOM, max: 3 * SLAB_BYTES }),
)
const lengths = fc.oneof(
  fc.constantFrom(511, 512, 513, 4096, SLAB_BYTES),
  fc.integer({ min: 200, max: SLAB_BYTES }),
  fc.integer({ min: 1000, max: 70_000 }),
)

function tarOf(bodies: readonly number[]): Buffer {
  const files = bodies.flatMap((size, i) => [
    header({ name: `usr/${i}`, size }),
    noise(size, `body ${i}`),
    Buffer.alloc((512 - (size % 512)) % 512),
  ])
  return Buffer.concat([directory('usr/'), ...files, endMarker])
}

test('a tar is the same in slabs of any length, its batches stored in any order', async (t) => {
  const repository = await temporaryRepository(t)
  const store = repository.objects
  const property = fc.property(
    fc.array(sizes, { minLength: 1, maxLength: 6 }),
    fc.array(lengths, { minLength: 1, maxLength: 8 }),
    fc.array(fc.nat(1000), { minLength: 1, maxLength: 5 }),
    (bodies, cuts, order) => {
      const tar = tarOf(bodies)
      const cutter = new SlabCutter(store)
      const pieces: Buffer[] = []
      for (let at = 0, i = 0; at < tar.length; i++) {
        // Few enough slabs for the memory of a test.
        const end = Math.min(tar.length, at + (i < 40 ? cuts[i % cuts.length] : SLAB_BYTES))
        pieces.push(tar.subarray(at, end))
        at = end
      }
      const pool = new SlabPool(pieces.length)
      const slabs = pieces.map((piece) => {
        const slab = pool.tryTake()!
        slab.room.bytes.set(piece)
        slab.length = piece.length
        return slab
      })
      const plans = slabs.map((slab) => ({ slab, ...cutter.cut(slab) }))
      cutter.end()
      const rank = (i: number) => order[i % order.length] * 1000 + i
      const shuffled = plans.map((_, i) => i).sort((a, b) => rank(a) - rank(b))
      const stored = new Map(shuffled.map((i) => [i, storeBatch(store, plans[i].slab, plans[i].batch)]))
      const parts: Buffer[] = []
      plans.forEach(({ slab, owners, batch, parts: planned }, i) => {
        const { ids } = stored.get(i)!
        const leaves = hashesOfPieces(store.algorithm, slab.hashes, batch)
        owners.forEach((object, n) => object.addLeaves(leaves[n], batch.pieces[n].length))
        for (const part of planned) {
          if (part instanceof Uint8Array) parts.push(Buffer.from(part))
          else {
            const { id, size } =
              part instanceof LargeObject
                ? cutter.commit(part)
                : { id: 'index' in part ? ids[part.index] : part.id, size: part.size }
            const content = readFileSync(store.path(id))
            assert.equal(content.length, size)
            assert.equal(verityDigest(store.algorithm, content), id)
            parts.push(content)
          }
        }
      })
      assert.ok(Buffer.concat(parts).equals(tar))
      const objects = splitTar(tar).filter((part) => 'object' in part)
      assert.ok(joinParts(splitTar(tar)).equals(tar))
      const wholes = plans.reduce((sum, { batch }) => sum + batch.wholes.length / 2, 0)
      const larges = plans.reduce(
        (sum, { parts }) => sum + parts.filter((part) => part instanceof LargeObject).length,
        0,
      )
      assert.equal(wholes + larges, objects.length)
    },
  )
  fc.assert(property, { numRuns: 25 })
})
