import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { SluiceError } from '../../src/errors.js'
import type { HashAlgorithm } from '../../src/formats/digest.js'
import { readDumpfile } from '../../src/formats/dumpfile/read.js'
import { chooseVersion } from '../../src/formats/erofs/choose-version.js'
import type { ErofsVersion } from '../../src/formats/erofs/format.js'
import { writeErofs } from '../../src/formats/erofs/write.js'
import { verityDigest } from '../../src/formats/verity/digest.js'
import { hasVector, readJsonVector, readVector } from '../helpers/vectors.js'

const AREA = 'erofs'

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** A repository image. */
function write(dump: Buffer, version: ErofsVersion, algorithm: HashAlgorithm = 'sha256'): Buffer {
  const { root, hints } = readDumpfile(dump, { algorithm })
  return writeErofs(root, { version, hints })
}

/** An image as the C mkcomposefs makes it with these flags. */
function writeAsC(dump: Buffer, min?: number, max?: number, algorithm: HashAlgorithm = 'sha256'): Buffer {
  const { root, hints } = readDumpfile(dump, { algorithm })
  return writeErofs(root, { version: chooseVersion(root, min, max), hints })
}

/** Flag sets of the C tool in the vectors: default, --max-version=0, --min-version=1. */
const flagSets = {
  default: [undefined, undefined],
  max0: [undefined, 0],
  min1: [1, undefined],
} as const

const isRefusal = (error: unknown) => error instanceof SluiceError && error.code === 'SLUICE_FORMAT'

interface ExpectedImage {
  readonly file?: string
  readonly size: number
  readonly sha256: string
  readonly verity_sha256: string
  readonly verity_sha512: string
}

interface Expected {
  readonly alg: HashAlgorithm
  readonly file: string
  readonly images: Readonly<Partial<Record<'V0' | 'V1' | 'V2', ExpectedImage>>>
  readonly c_mkcomposefs?: Readonly<Record<keyof typeof flagSets, string>>
}

for (const [name, expected] of Object.entries(readJsonVector<Record<string, Expected>>(AREA, 'expected.json'))) {
  test(`images of ${name}`, (t) => {
    if (!hasVector(AREA, expected.file)) return t.skip('not in the set of vectors at hand')
    const dump = readVector(AREA, expected.file)
    for (const version of [0, 1, 2] as const) {
      const image = expected.images[`V${version}`]
      if (image === undefined) continue
      const bytes = write(dump, version, expected.alg)
      assert.equal(bytes.length, image.size)
      assert.equal(sha256(bytes), image.sha256, `V${version}`)
      assert.equal(verityDigest('sha256', bytes), image.verity_sha256)
      assert.equal(verityDigest('sha512', bytes), image.verity_sha512)
      if (image.file !== undefined && hasVector(AREA, image.file)) {
        assert.ok(bytes.equals(readVector(AREA, image.file)), `V${version}`)
      }
    }
    for (const [flags, [min, max]] of Object.entries(flagSets)) {
      const hash = expected.c_mkcomposefs?.[flags as keyof typeof flagSets]
      if (hash !== undefined) assert.equal(sha256(writeAsC(dump, min, max, expected.alg)), hash, flags)
    }
  })
}

interface Compared {
  readonly file: string
  readonly sluice?: 'c' | 'reject' | 'either'
  readonly c_default: string
  readonly c_max0: string
  readonly c_min1: string
  readonly rs_V0: string
  readonly rs_V1: string
  readonly rs_V2: string
}

for (const [name, entry] of Object.entries(readJsonVector<Record<string, Compared>>(AREA, 'accept.json'))) {
  test(`odd but valid: ${name}`, (t) => {
    if (!hasVector(AREA, entry.file)) return t.skip('not in the set of vectors at hand')
    const dump = readVector(AREA, entry.file)
    for (const [flags, [min, max]] of Object.entries(flagSets)) {
      assert.equal(sha256(writeAsC(dump, min, max)), entry[`c_${flags as keyof typeof flagSets}`], flags)
    }
    for (const version of [0, 1, 2] as const) {
      assert.equal(sha256(write(dump, version)), entry[`rs_V${version}`], `V${version}`)
    }
  })
}

for (const [name, entry] of Object.entries(readJsonVector<Record<string, Compared>>(AREA, 'divergent.json'))) {
  test(`the references differ on ${name}: ${entry.sluice}`, (t) => {
    if (!hasVector(AREA, entry.file)) return t.skip('not in the set of vectors at hand')
    const dump = readVector(AREA, entry.file)
    for (const [flags, [min, max]] of Object.entries(flagSets)) {
      if (entry.sluice === 'reject') {
        assert.throws(() => writeAsC(dump, min, max), isRefusal)
      } else if (entry.sluice === 'c') {
        assert.equal(sha256(writeAsC(dump, min, max)), entry[`c_${flags as keyof typeof flagSets}`], flags)
      } else {
        let image: Buffer
        try {
          image = writeAsC(dump, min, max)
        } catch (error) {
          assert.ok(isRefusal(error), String(error))
          continue
        }
        const version = flags === 'min1' ? 'rs_V1' : 'rs_V0'
        const allowed = [entry[`c_${flags as keyof typeof flagSets}`], entry[version]]
        assert.ok(allowed.includes(sha256(image)), flags)
      }
    }
  })
}

interface Asset {
  readonly file?: string
  readonly sha256?: string
  readonly verity_sha256?: string
  readonly min_version?: number
  readonly max_version?: number
  readonly expect?: 'reject'
}

test('test dumps of the C project', async (t) => {
  const area = [AREA, 'composefs-c-assets'] as const
  if (!hasVector(...area, 'expected.json')) {
    return t.skip('composefs-c-assets is not part of the committed vectors: set SLUICE_VECTORS to the full set')
  }
  let written = 0
  let refused = 0
  for (const [name, asset] of Object.entries(readJsonVector<Record<string, Asset>>(...area, 'expected.json'))) {
    await t.test(name, () => {
      const dump = readVector(...area, asset.file ?? name)
      if (asset.expect === 'reject') {
        refused++
        assert.throws(() => writeAsC(dump), isRefusal)
      } else {
        written++
        const image = writeAsC(dump, asset.min_version, asset.max_version)
        assert.equal(sha256(image), asset.sha256)
        assert.equal(verityDigest('sha256', image), asset.verity_sha256)
      }
    })
  }
  assert.ok(written >= 12 && refused >= 14, `${written} written, ${refused} refused`)
})

test('the version rule of the C tool', () => {
  const root = '/ 0 40755 2 0 0 0 0.0 - - -\n'
  const plain = readDumpfile(Buffer.from(root), { algorithm: 'sha256' }).root
  const whiteout = readDumpfile(Buffer.from(`${root}/w 0 20644 1 0 0 0 0.0 - - -\n`), { algorithm: 'sha256' }).root
  const choices: [number | undefined, number | undefined, number, number][] = [
    [undefined, undefined, 0, 1],
    [0, undefined, 0, 0],
    [1, undefined, 1, 1],
    [undefined, 0, 0, 0],
    [undefined, 1, 0, 1],
    [1, 0, 1, 1],
    [0, 1, 0, 1],
  ]
  for (const [min, max, expected, withWhiteout] of choices) {
    assert.equal(chooseVersion(plain, min, max), expected, `${min} ${max}`)
    assert.equal(chooseVersion(whiteout, min, max), withWhiteout, `${min} ${max}, whiteout`)
  }
  for (const [min, max] of [
    [2, undefined],
    [undefined, 2],
    [0, 2],
  ]) {
    assert.throws(() => chooseVersion(plain, min, max), /Invalid argument/)
  }
})
