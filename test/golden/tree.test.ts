import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { SluiceError } from '../../src/errors.js'
import type { HashAlgorithm } from '../../src/formats/digest.js'
import { writeDumpfile } from '../../src/formats/dumpfile/write.js'
import { LayerMerger } from '../../src/formats/tree/merge.js'
import { finishTree, type XattrMode } from '../../src/formats/tree/transform.js'
import type { Directory } from '../../src/formats/tree/tree.js'
import { readEntries, splitTar, verityNamer } from '../helpers/tar-parts.js'
import { vectorLayers, type VectorLayer } from '../helpers/vector-layout.js'
import { hasVector, readJsonVector, readVector, vectorPath } from '../helpers/vectors.js'

type Chunk = { inline: number; sha256: string } | { external: string; size: number }

interface LayerOutcome {
  content_type: string
  chunks: Chunk[]
  object_refs: string[]
  layer_json?: { entryCount: number }
}

interface ImageCase {
  manifest_digest?: string
  is_container_image?: boolean
  sha256?: { layers: Record<string, LayerOutcome> }
  sha512?: { layers: Record<string, LayerOutcome> }
}

interface MergeChoice {
  readonly algorithm: HashAlgorithm
  readonly xattrs: XattrMode
  readonly parity: boolean
}

function imageTree(layers: readonly VectorLayer[], { algorithm, xattrs, parity }: MergeChoice): Directory {
  const merger = new LayerMerger({ parity })
  for (const { tar } of layers) {
    const { entries, error } = readEntries(splitTar(tar), verityNamer(algorithm))
    if (error !== undefined) throw error
    for (const entry of entries) merger.apply(entry)
  }
  finishTree(merger.root, { xattrs, parity })
  return merger.root
}

function dump(root: Directory): string {
  return [...writeDumpfile(root)].map((line) => `${line}\n`).join('')
}

const names = hasVector('oci', 'images')
  ? readdirSync(vectorPath('oci', 'images')).filter((name) => hasVector('oci', 'images', name, 'expected.json'))
  : []

test('the image vectors are there', (t) => {
  if (!hasVector('oci', 'images')) t.skip('no image vectors in this set')
  else assert.ok(names.length > 0)
})

for (const name of names.filter((name) => !name.startsWith('err-'))) {
  const expected = readJsonVector<ImageCase>('oci', 'images', name, 'expected.json')
  for (const algorithm of ['sha256', 'sha512'] as const) {
    test(`layers of ${name} are split as the reference does, ${algorithm}`, async () => {
      const outcomes = expected[algorithm]?.layers ?? {}
      const isTar = Object.values(outcomes).some(({ content_type: type }) => type === 'ocilayer')
      if (!isTar) return
      const objectName = verityNamer(algorithm)
      for (const { diffId, tar } of await vectorLayers(name, expected.manifest_digest)) {
        // Artifacts name their layers by the compressed blob.
        const outcome = outcomes[diffId] ?? Object.values(outcomes)[0]
        const parts = splitTar(tar)
        const chunks = parts.map((part) =>
          'inline' in part
            ? { inline: part.inline.length, sha256: createHash('sha256').update(part.inline).digest('hex') }
            : { external: objectName(part.object), size: part.object.length },
        )
        assert.deepEqual(chunks, outcome?.chunks)
        const { entries, error } = readEntries(parts, objectName)
        assert.equal(error, undefined)
        if (outcome?.layer_json !== undefined) assert.equal(entries.length, outcome.layer_json.entryCount)
      }
    })

    for (const [xattrs, file] of [
      ['allowlist-only', `dump.${algorithm}.txt`],
      ['keep-user-xattrs', `dump-keep-user.${algorithm}.txt`],
    ] as const) {
      if (!hasVector('oci', 'images', name, file)) continue
      test(`tree of ${name}, ${algorithm}, ${xattrs}`, async () => {
        const layers = await vectorLayers(name, expected.manifest_digest)
        const golden = readVector('oci', 'images', name, file).toString('latin1')
        // What the reference accepts is the same either way (oci.md §4.0).
        for (const parity of [true, false]) {
          assert.equal(dump(imageTree(layers, { algorithm, xattrs, parity })), golden)
        }
      })
    }
  }
}

const choice = { algorithm: 'sha256', xattrs: 'allowlist-only' } as const

/** The images that only the tree refuses: what is in them when they are accepted. */
const acceptedWithoutParity: Record<string, RegExp> = {
  'err-missing-parent': /^\/usr\/x 0 40755 2 0 0 0 0\.0 - - -\n\/usr\/x\/a /m,
  'err-no-usr': /^\/ 0 40755 /,
  'err-parent-is-symlink': /^\/usr\/lib\/foo /m,
  'err-run-symlink': /^\/run \d+ 120777 /m,
}

for (const [name, content] of Object.entries(acceptedWithoutParity)) {
  test(`${name} fails with parity only`, async (t) => {
    if (!hasVector('oci', 'images', name, 'layout.tar')) {
      t.skip('not in this set of vectors')
      return
    }
    const layers = await vectorLayers(name)
    assert.throws(() => imageTree(layers, { ...choice, parity: true }), SluiceError)
    assert.match(dump(imageTree(layers, { ...choice, parity: false })), content)
  })
}

for (const name of ['err-hardlink-forward', 'err-no-trailer-dir']) {
  test(`${name} fails always`, async (t) => {
    if (!hasVector('oci', 'images', name, 'layout.tar')) {
      t.skip('not in this set of vectors')
      return
    }
    const layers = await vectorLayers(name)
    for (const parity of [true, false]) {
      assert.throws(() => imageTree(layers, { ...choice, parity }), SluiceError)
    }
  })
}
