import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { SluiceError } from '../../src/errors.js'
import { readDumpfile } from '../../src/formats/dumpfile/read.js'
import { writeDumpfile } from '../../src/formats/dumpfile/write.js'
import { writeErofs } from '../../src/formats/erofs/write.js'
import type { Directory } from '../../src/formats/tree/tree.js'
import { epoch1, tree } from './erofs-trees.js'

const { algorithm } = epoch1

function dump(root: Directory): Buffer {
  return Buffer.from([...writeDumpfile(root)].map((line) => `${line}\n`).join(''), 'latin1')
}

test('a dumpfile that is read and written again is the same', () => {
  fc.assert(
    fc.property(tree(epoch1), (root) => {
      const text = dump(root)
      assert.equal(dump(readDumpfile(text, { algorithm }).root).toString('latin1'), text.toString('latin1'))
    }),
    { numRuns: 150 },
  )
})

test('the hints of a dumpfile in depth-first order change nothing', () => {
  fc.assert(
    fc.property(tree(epoch1), (root) => {
      const { root: copy, hints } = readDumpfile(dump(root), { algorithm })
      const image = writeErofs(copy, { version: 1 })
      assert.ok(image.equals(writeErofs(copy, { version: 1, hints })))
    }),
    { numRuns: 60 },
  )
})

test('damaged dumpfiles give a tree or a SluiceError', () => {
  const damage = fc.record({
    at: fc.nat(),
    remove: fc.constantFrom(0, 0, 1, 1, 7),
    insert: fc.oneof(
      fc.constantFrom(' ', '\n', '\\', '\\x', '-', '@', '=', '/', '.', '9999999999999999999999', '\0', '\r', '..'),
      fc.string({ maxLength: 3 }),
    ),
  })
  fc.assert(
    fc.property(tree(epoch1, 20), fc.array(damage, { minLength: 1, maxLength: 3 }), (root, damages) => {
      let text = dump(root).toString('latin1')
      for (const { at, remove, insert } of damages) {
        const start = at % (text.length + 1)
        text = text.slice(0, start) + insert + text.slice(start + remove)
      }
      try {
        const dumpfile = readDumpfile(Buffer.from(text, 'latin1'), { algorithm })
        writeErofs(dumpfile.root, { version: 1, hints: dumpfile.hints })
      } catch (error) {
        assert.ok(error instanceof SluiceError, String(error))
        assert.equal(error.code, 'SLUICE_FORMAT')
      }
    }),
    { numRuns: 300 },
  )
})
