/** The annotated example of erofs.md §12, and check values of the text. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { readDumpfile } from '../../src/formats/dumpfile/read.js'
import { writeDumpfile } from '../../src/formats/dumpfile/write.js'
import { listErofsObjects } from '../../src/formats/erofs/list-objects.js'
import { openErofs } from '../../src/formats/erofs/open.js'
import { writeErofs } from '../../src/formats/erofs/write.js'
import { xxh32 } from '../../src/formats/erofs/xxh32.js'
import { verityDigest } from '../../src/formats/verity/digest.js'

const id = '21a8507def1d5fad6393e6d722a0421d9f9f674461beb4ac74983bef9535b5d4'
const example = [
  '/ 0 40755 3 0 0 0 1000.0 - - -',
  '/dir 0 40755 2 0 0 0 1000.0 - - - user.foo=bar',
  `/dir/big 5000 100644 2 0 0 0 1000.0 21/${id.slice(2)} - ${id}`,
  '/dir/small 6 100600 1 1000 1000 0 2000.5 - hello\\n -',
  '/hl 0 @120000 - - - - 0.0 /dir/big - -',
  '/link 9 120777 1 0 0 0 1000.0 dir/small - - security.x=1 user.foo=bar',
]
const { root, hints } = readDumpfile(Buffer.from(`${example.join('\n')}\n`), { algorithm: 'sha256' })

const images = [
  [
    0,
    16384,
    '6a69bd3bd2fb5f2e91ea5e92a16715bb0a52d204efeae38e21efadba0b62abdd',
    '059f1962bbc4c6eec5d0da1421e976f721e35257c55ca6938bab8069d8725aa6',
  ],
  [
    1,
    16384,
    'eed19f4b99ce04986d180ce9658418c40e103a320db75dba74493defba4e9983',
    '5b687a953b745eef5876198c481d10e3c8e09da3143a03fd54ffbc9c5f641593',
  ],
  [
    2,
    4096,
    '199bb84a18b7e9cf1b4a461136bab17c0ff5edea5541d575408eabc8e67da84b',
    '9a1bfb682b8db3c30de1408921d065202159a45ccfbeb93618b20d4585ac250a',
  ],
] as const

for (const [version, size, sha256, imageId] of images) {
  test(`V${version} image of the example`, () => {
    const image = writeErofs(root, { version, hints })
    assert.equal(image.length, size)
    assert.equal(createHash('sha256').update(image).digest('hex'), sha256)
    assert.equal(verityDigest('sha256', image), imageId)
    assert.deepEqual(listErofsObjects(openErofs(image), 'sha256'), [id])
  })
}

test('SHA-512 id of the V2 image of the example', () => {
  assert.equal(
    verityDigest('sha512', writeErofs(root, { version: 2 })),
    'a3281a7d2f08e18bff0f65a5971ff4344188a2e19a87627ebe761c868b696601' +
      'cc36e11d28122db0d247e0e660a9fb3de244050aef243acb214d124809eb2004',
  )
})

test('the dumpfile of the example reads back, with the further name of big as a hard link', () => {
  const lines = [...writeDumpfile(root)]
  assert.deepEqual(lines, example)
})

test('xxh32 gives the name filters of erofs.md §5.4', () => {
  const filter = (...names: [string, number][]) => {
    let bits = 0xffffffff
    for (const [suffix, prefix] of names) bits &= ~(1 << (xxh32(suffix, 0x25bbe08f + prefix) & 31))
    return bits >>> 0
  }
  assert.equal(filter(['overlay.opaque', 4]), 0xffefffff)
  assert.equal(filter(['foo', 1]), 0xffffefff)
  assert.equal(filter(['overlay.metacopy', 4], ['overlay.redirect', 4]), 0x7ffdffff)
  // Published values of the hash itself: empty input, and one of more than 16 bytes.
  assert.equal(xxh32('', 0), 0x02cc5d05)
  assert.equal(xxh32('Nobody inspects the spammish repetition', 0), 0xe2293b2f)
})
