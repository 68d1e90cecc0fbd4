import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { SluiceError } from '../../src/errors.js'
import type { HashAlgorithm } from '../../src/formats/digest.js'
import { readDumpfile } from '../../src/formats/dumpfile/read.js'
import { writeDumpfile } from '../../src/formats/dumpfile/write.js'
import { checkErofs, listErofsObjects } from '../../src/formats/erofs/list-objects.js'
import { loadErofsTree } from '../../src/formats/erofs/load.js'
import { openErofs } from '../../src/formats/erofs/open.js'
import { writeErofs } from '../../src/formats/erofs/write.js'
import { hasVector, readJsonVector, readVector } from '../helpers/vectors.js'

const AREA = 'erofs'

function sha256Lines(lines: Iterable<string>): string {
  const hash = createHash('sha256')
  for (const line of lines) hash.update(`${line}\n`, 'latin1')
  return hash.digest('hex')
}

interface Expected {
  readonly alg: HashAlgorithm
  readonly file: string
  readonly objects?: Readonly<Record<string, { readonly count: number; readonly sha256_of_sorted_hex_lines: string }>>
  readonly roundtrip_dump_sha256?: string
}

for (const [name, expected] of Object.entries(readJsonVector<Record<string, Expected>>(AREA, 'expected.json'))) {
  test(`objects and dump of ${name}`, (t) => {
    if (!hasVector(AREA, expected.file)) return t.skip('not in the set of vectors at hand')
    const { root, hints } = readDumpfile(readVector(AREA, expected.file), { algorithm: expected.alg })
    for (const version of [0, 1, 2] as const) {
      const image = openErofs(writeErofs(root, { version, hints }))
      checkErofs(image)
      const listed = expected.objects?.[`V${version}`]
      const objects = listErofsObjects(image, expected.alg)
      if (listed !== undefined) {
        assert.equal(objects.length, listed.count)
        assert.equal(sha256Lines(objects), listed.sha256_of_sorted_hex_lines)
      }
      const lines = [...writeDumpfile(loadErofsTree(image, expected.alg))]
      if (version === 1 && expected.roundtrip_dump_sha256 !== undefined) {
        assert.equal(sha256Lines(lines), expected.roundtrip_dump_sha256)
      }
    }
  })
}

type Verdict = 'accept' | 'no-crash' | 'must-reject' | 'may-reject'
type Operation = 'open' | 'objects' | 'dump'

interface Corrupt {
  readonly file: string
  readonly sluice: Verdict | Readonly<Record<Operation, Verdict>>
}

const operations: Readonly<Record<Operation, (bytes: Buffer) => void>> = {
  open: (bytes) => checkErofs(openErofs(bytes)),
  objects: (bytes) => listErofsObjects(openErofs(bytes), 'sha256'),
  dump: (bytes) => [...writeDumpfile(loadErofsTree(openErofs(bytes), 'sha256'))],
}

for (const [name, corrupt] of Object.entries(readJsonVector<Record<string, Corrupt>>(AREA, 'corrupt.json'))) {
  test(`damaged image ${name}`, (t) => {
    if (!hasVector(AREA, corrupt.file)) return t.skip('not in the set of vectors at hand')
    const bytes = readVector(AREA, corrupt.file)
    for (const [operation, run] of Object.entries(operations)) {
      const verdict = typeof corrupt.sluice === 'string' ? corrupt.sluice : corrupt.sluice[operation as Operation]
      let refusal: SluiceError | undefined
      try {
        run(bytes)
      } catch (error) {
        if (!(error instanceof SluiceError)) throw error
        refusal = error
      }
      if (refusal !== undefined) assert.equal(refusal.code, 'SLUICE_FORMAT')
      if (verdict === 'accept') assert.equal(refusal, undefined, operation)
      if (verdict === 'must-reject') assert.notEqual(refusal, undefined, operation)
    }
  })
}
