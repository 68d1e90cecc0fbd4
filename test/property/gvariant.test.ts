/** GVariant: any value of any type is written and read again; damaged bytes are refused or mean exactly themselves. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { SluiceError } from '../../src/errors.js'
import { readValue } from '../../src/formats/gvariant/read.js'
import { parseType, type GvariantType } from '../../src/formats/gvariant/type.js'
import type { Value } from '../../src/formats/gvariant/value.js'
import { variant, writeValue } from '../../src/formats/gvariant/write.js'

const basicCodes = 'ybnqiuhxtdsog'.split('')

const typeText: fc.Arbitrary<string> = fc.letrec<{ type: string }>((tie) => ({
  type: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(...basicCodes),
    fc.constant('v'),
    tie('type').map((element) => `a${element}`),
    tie('type').map((element) => `m${element}`),
    fc.array(tie('type'), { maxLength: 4 }).map((members) => `(${members.join('')})`),
    fc.tuple(fc.constantFrom(...basicCodes), tie('type')).map(([key, value]) => `{${key}${value}}`),
  ),
})).type

const text = fc.string({ unit: 'binary', maxLength: 12 }).map((s) => s.replaceAll('\0', ''))
const bits = { n: [-(2 ** 15), 2 ** 15 - 1], q: [0, 2 ** 16 - 1], i: [-(2 ** 31), 2 ** 31 - 1], u: [0, 2 ** 32 - 1] }

function valueOf({ shape, text: name }: GvariantType): fc.Arbitrary<Value> {
  if (name === 'ay') return fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))
  switch (shape.kind) {
    case 'variant':
      return fc
        .oneof(
          fc.tuple(fc.constant('s'), text),
          fc.tuple(fc.constant('(yt)'), fc.tuple(fc.nat(255), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))),
          fc.tuple(
            fc.constant('a{sv}'),
            fc.array(
              fc.tuple(
                text,
                text.map((s) => variant('s', s)),
              ),
              { maxLength: 3 },
            ),
          ),
        )
        .map(([type, value]) => variant(type, value as Value))
    case 'array':
      return fc.array(valueOf(shape.element), { maxLength: 6 })
    case 'maybe':
      return fc.array(valueOf(shape.element), { maxLength: 1 })
    case 'tuple':
      return fc.tuple(...shape.members.map(valueOf))
  }
  switch (shape.code) {
    case 'y':
      return fc.nat(255)
    case 'b':
      return fc.boolean()
    case 'n':
    case 'q':
    case 'i':
    case 'u': {
      const [min, max] = bits[shape.code]
      return fc.integer({ min, max })
    }
    case 'h':
      return fc.integer()
    case 'x':
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    case 't':
    case 'd':
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
    case 's':
      return text
    case 'o':
      return fc.constantFrom('/', '/a', '/org/Some_1/x')
    case 'g':
      return fc.constantFrom('', 's', 'a{sv}(yu)', 'aav')
  }
}

const typed = typeText.chain((name) => {
  const type = parseType(name)
  return valueOf(type).map((value) => ({ type, value, bytes: writeValue(type, value) }))
})

test('what is written is accepted, and is the same value', () => {
  fc.assert(
    fc.property(typed, ({ type, value, bytes }) => {
      if (type.fixedSize > 0) assert.equal(bytes.length, type.fixedSize)
      const again = readValue(type, bytes)
      assert.deepEqual(again, value)
      assert.deepEqual(writeValue(type, again), bytes)
    }),
    { numRuns: 600 },
  )
})

/** Refused, or the one serialisation of a value. */
function assertStrict(type: GvariantType, bytes: Uint8Array): boolean {
  let value: Value
  try {
    value = readValue(type, bytes)
  } catch (error) {
    assert.ok(error instanceof SluiceError && error.code === 'SLUICE_FORMAT', String(error))
    return false
  }
  assert.deepEqual(Buffer.from(writeValue(type, value)), Buffer.from(bytes))
  return true
}

test('damaged bytes are refused, or are what their value is written as', () => {
  let accepted = 0
  let refused = 0
  fc.assert(
    fc.property(
      typed,
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }),
      fc.integer({ min: -3, max: 3 }),
      ({ type, bytes }, changes, growth) => {
        const damaged = Buffer.alloc(Math.max(0, bytes.length + growth))
        bytes.copy(damaged)
        for (const [at, byte] of changes) if (damaged.length > 0) damaged[at % damaged.length] = byte
        if (assertStrict(type, damaged)) accepted++
        else refused++
      },
    ),
    { numRuns: 1500 },
  )
  assert.ok(accepted > 20 && refused > 200, `${accepted} accepted, ${refused} refused`)
})

test('any bytes of any type are refused or mean exactly themselves', () => {
  fc.assert(
    fc.property(typeText, fc.uint8Array({ maxLength: 40 }), (name, bytes) => void assertStrict(parseType(name), bytes)),
    { numRuns: 1000 },
  )
})
