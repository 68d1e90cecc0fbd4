import assert from 'node:assert/strict'
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import * as openpgp from 'openpgp'
import { SluiceError, type ErrorCode } from '../../src/errors.js'
import { parseRemote } from '../../src/formats/ostree/remote-config.js'
import { verifyOpenPgp } from '../../src/stages/ostree-verify/openpgp.js'
import { encodeKeyring, readKeyring, type OpenPgpKeyring } from '../../src/stages/ostree-verify/openpgp-keyring.js'
import { readPublicKeys, verifyByPublicKeys } from '../../src/stages/ostree-verify/public-keys.js'
import { loadRemoteTrust } from '../../src/stages/ostree-verify/trusted-keys.js'
import { MAX_SIGNATURES } from '../../src/stages/ostree-verify/verdict.js'
import { requireSignatures, verifySignatures, type TrustedKeys } from '../../src/stages/ostree-verify/verify.js'
import { brainpool, gpgKeys, gpgSignatures, signedData } from '../helpers/gpg-signatures.js'
import { temporaryDirectory } from '../helpers/temporary.js'

const withCode = (code: ErrorCode) => (error: unknown) => error instanceof SluiceError && error.code === code

const today = new Date('2026-01-01')

const remote = (settings: Record<string, string>) =>
  parseRemote('r', new Map(Object.entries({ url: 'http://localhost/', ...settings })))

const made = new Date('2024-01-01')
const { enums } = openpgp
type Key = openpgp.PrivateKey
type Change = Partial<Record<keyof openpgp.SignaturePacket, unknown>>

const newKey = async (type: 'ecc' | 'rsa' = 'ecc'): Promise<Key> => {
  const user = { userIDs: { name: type }, date: made, format: 'object' } as const
  return (await openpgp.generateKey({ ...user, type, rsaBits: 2048, subkeys: [{ sign: true }] })).privateKey
}

/** A signature by `by`, who says to be `claimed`. */
const packetOf = async (
  by: Key | openpgp.Subkey,
  data: object,
  type: openpgp.enums.signature,
  change: Change = {},
  claimed: Key | openpgp.Subkey = by,
  date = new Date('2025-01-01'),
) => {
  const packet = new openpgp.SignaturePacket()
  Object.assign(packet, {
    signatureType: type,
    publicKeyAlgorithm: by.keyPacket.algorithm,
    hashAlgorithm: enums.hash.sha512,
    ...change,
  })
  const { value } = Object.getOwnPropertyDescriptor(openpgp.SignaturePacket.prototype, 'sign')!
  const config = { ...openpgp.config, nonDeterministicSignaturesViaNotation: false }
  const signer = Object.create(by.keyPacket, {
    getKeyID: { value: () => claimed.getKeyID() },
    getFingerprintBytes: { value: () => Buffer.from(claimed.getFingerprint(), 'hex') },
  })
  await value.call(packet, signer, data, date, false, config)
  return packet
}

/** The key with signatures of it, and with signatures of its subkey. */
function binaryKey(key: Key, ofKey: readonly Uint8Array[] = [], ofSubkey: readonly Uint8Array[] = []): Buffer {
  const packets = new openpgp.PacketList<openpgp.AnyPacket>()
  const [first, ...others] = key.toPublic().toPacketList()
  packets.push(first)
  const head = packets.write()
  packets.splice(0, 1, ...others)
  return Buffer.concat([head, ...ofKey, packets.write(), ...ofSubkey])
}

const packetsOf = (...packets: openpgp.SignaturePacket[]) => {
  const list = new openpgp.PacketList<openpgp.SignaturePacket>()
  list.push(...packets)
  return [list.write()]
}

describe('OpenPGP', () => {
  const verdicts = async (signatures: readonly Uint8Array[], date = today) =>
    verifyOpenPgp(signedData, signatures, await readKeyring(gpgKeys, 'keys'), date)

  for (const [name, expected] of Object.entries({
    good: undefined,
    sub: undefined,
    renewed: undefined,
    expired: /expired/,
    revoked: /revoked/,
    short: /expired/,
    sha1: /hash algorithm/i,
    other: /digest/,
  })) {
    test(`${name}: ${expected === undefined ? 'valid' : 'not valid'}`, async () => {
      const [verdict, ...others] = await verdicts([gpgSignatures[name as keyof typeof gpgSignatures]])
      assert.deepEqual(others, [])
      assert.equal(verdict.valid, expected === undefined)
      assert.match(verdict.reason ?? '', expected ?? /^$/)
      assert.match(verdict.signer!, /^[0-9a-f]{40}$/)
    })
  }

  test('a key that has expired by now is not valid, though it was when it signed', async () => {
    const before = await verdicts([gpgSignatures.expired], new Date('2024-01-15'))
    assert.deepEqual(
      before.map(({ valid }) => valid),
      [true],
    )
  })

  test('a signature of the future is valid, of a key of the future it is not', async () => {
    const { good, other } = gpgSignatures
    const valid = async (date: string) =>
      (await verdicts([Buffer.concat([good, good]), other], new Date(date))).map((verdict) => verdict.valid)
    assert.deepEqual(await valid('2024-01-01T23:59:59Z'), [true, true, false])
    assert.deepEqual(await valid('2023-12-31'), [false, false, false])
  })

  test('concatenated packets are several signatures', async () => {
    const both = await verdicts([Buffer.concat([gpgSignatures.expired, gpgSignatures.good])])
    assert.deepEqual(
      both.map(({ valid }) => valid),
      [false, true],
    )
  })

  test('a signature may be armoured', async () => {
    const { good, other } = gpgSignatures
    const armoured = (bytes: Uint8Array) => Buffer.from(openpgp.armor(enums.armor.signature, bytes))
    const found = await verdicts([armoured(good), armoured(other), armoured(good).subarray(0, -60)])
    assert.deepEqual(
      found.map(({ valid }) => valid),
      [true, false, false],
    )
  })

  test('junk beside a good signature does not matter', async () => {
    const keys = { gpg: await readKeyring(gpgKeys, 'keys') }
    const gpg = [Buffer.from('junk'), Buffer.alloc(0), gpgSignatures.good.subarray(0, 70), gpgSignatures.good]
    const input = { data: signedData, signatures: { gpg, ed25519: [], spki: [] }, keys, date: today }
    assert.equal((await requireSignatures('it', input)).length, 1)
  })

  test('a key on a curve that is not supported', async () => {
    const { keys, signature } = brainpool
    const [{ valid, reason }] = await verifyOpenPgp(signedData, [signature], await readKeyring(keys, 'keys'), today)
    assert.deepEqual([valid, reason], [false, 'keys of this curve are not supported'])
  })

  test('many packets in one element are refused as many elements are', async () => {
    const { good } = gpgSignatures
    const packets = (count: number) => Buffer.concat(Array.from({ length: count }, () => good))
    const tooMany = packets(MAX_SIGNATURES + 1)
    for (const gpg of [[tooMany], [good, packets(MAX_SIGNATURES)]]) {
      await assert.rejects(verdicts(gpg), withCode('SLUICE_FORMAT'))
    }
    const large = packets(Math.ceil(65_537 / good.length))
    const [refused, valid] = await verdicts([large, good])
    assert.deepEqual([refused.reason, valid.valid], [`it has ${large.length} bytes`, true])
  })

  test('of many refused signatures the message tells some', async () => {
    const signatures = { gpg: Array.from({ length: 50 }, () => gpgSignatures.other), ed25519: [], spki: [] }
    const keys = { gpg: await readKeyring(gpgKeys, 'keys') }
    await assert.rejects(requireSignatures('it', { data: signedData, signatures, keys, date: today }), {
      message: /^it has no valid [^;]*(;[^;]*){2}; 47 more$/,
    })
  })

  test('without the key of the signature there is its id', async () => {
    const [{ signer, valid }] = await verifyOpenPgp(signedData, [gpgSignatures.good], { keys: [] }, today)
    assert.deepEqual([signer, valid], ['c4d7502d30272cf0', false])
  })

  test('copies of a key are one key: revoked if one is, renewed if one is, in whatever order', async (t) => {
    const made = new Date('2024-01-01')
    const user = { userIDs: { name: 'copies' }, format: 'object' } as const
    const pair = await openpgp.generateKey({ ...user, date: made })
    const expiring = await openpgp.generateKey({ ...user, date: made, keyExpirationTime: 86_400 })
    const revoked = await openpgp.revokeKey({ key: pair.privateKey, date: new Date('2025-01-01'), format: 'object' })
    const renewed = await openpgp.reformatKey({
      ...user,
      privateKey: expiring.privateKey,
      date: new Date('2024-02-01'),
    })
    const cases = [
      { by: pair, copies: [pair, revoked], valid: [true, false, false], reason: /revoked/ },
      { by: expiring, copies: [expiring, renewed], valid: [false, true, true], reason: /expired/ },
    ]
    for (const { by, copies, valid, reason } of cases) {
      const message = await openpgp.createMessage({ binary: signedData })
      const signing = { message, signingKeys: by.privateKey, date: new Date(made.getTime() + 1000) }
      const signature = await openpgp.sign({ ...signing, detached: true, format: 'binary' })
      const [before, after] = copies.map(({ publicKey }) => publicKey.write())
      const verdict = async (keyring: OpenPgpKeyring) =>
        (await verifyOpenPgp(signedData, [signature], keyring, today))[0]
      const directory = temporaryDirectory(t)
      const inOneFile = (keys: Uint8Array[]) => readKeyring(Buffer.concat(keys), 'keys')
      const inFiles = async (keys: Uint8Array[]) => {
        const paths = keys.map((_, i) => join(directory, `${i}.gpg`))
        keys.forEach((key, i) => writeFileSync(paths[i], key))
        const { commits } = await loadRemoteTrust(remote({ gpgkeypath: paths.join(';') }), '', [])
        return commits!.gpg!
      }
      for (const read of [inOneFile, inFiles]) {
        for (const [keys, expected] of [
          [[before], valid[0]],
          [[after], valid[1]],
          [[before, after], valid[2]],
          [[after, before], valid[2]],
        ] as const) {
          const keyring = await read([...keys])
          assert.equal(keyring.keys.length, 1)
          for (const each of [keyring, await readKeyring(encodeKeyring(keyring), 'imported')]) {
            const found = await verdict(each)
            assert.equal(found.valid, expected)
            if (!expected) assert.match(found.reason!, reason)
          }
        }
      }
    }
  })

  test('keys that do not say what they are for', async () => {
    const key = await newKey()
    const [subkey] = key.subkeys
    const data = { key: key.keyPacket, bind: subkey.keyPacket }
    const { certGeneric, subkeyBinding, binary } = enums.signature
    const certificate = (keyFlags: Uint8Array | null) =>
      packetOf(key, { ...data, userID: key.users[0].userID! }, certGeneric, { keyFlags })
    const binding = (keyFlags: Uint8Array | null, back: openpgp.SignaturePacket | null) =>
      packetOf(key, data, subkeyBinding, { keyFlags, embeddedSignature: back })
    const back = subkey.bindingSignatures[0].embeddedSignature
    const encrypt = new Uint8Array([enums.keyFlags.encryptStorage])
    const keyring = async (ofUser: openpgp.SignaturePacket, ofSubkey: openpgp.SignaturePacket) => {
      const packets = new openpgp.PacketList<openpgp.AnyPacket>()
      const { keyPacket, users, subkeys } = key.toPublic()
      packets.push(keyPacket, users[0].userID!, ofUser, subkeys[0].keyPacket, ofSubkey)
      return readKeyring(packets.write(), 'keys')
    }
    const [literal] = (await openpgp.createMessage({ binary: signedData })).packets
    const signatures = [
      ...packetsOf(await packetOf(key, literal, binary)),
      ...packetsOf(await packetOf(subkey, literal, binary)),
    ]
    for (const [ofKey, ofSubkey, withBack, expected] of [
      [null, null, true, [true, true]],
      [encrypt, null, true, [false, true]],
      [null, encrypt, true, [true, false]],
      [null, null, false, [true, false]],
    ] as const) {
      const keys = await keyring(await certificate(ofKey), await binding(ofSubkey, withBack ? back : null))
      const found = await verifyOpenPgp(signedData, signatures, keys, today)
      assert.deepEqual(
        found.map(({ valid }) => valid),
        expected,
      )
    }
  })

  test('a key may say by any of its user IDs when it expires, and what it is for', async () => {
    const [key, stranger] = await Promise.all([newKey(), newKey()])
    const { certGeneric, certRevocation, binary, key: ofKey } = enums.signature
    const data = { key: key.keyPacket }
    const expires = { keyExpirationTime: 400 * 86_400, keyNeverExpires: false }
    const longer = { ...expires, keyExpirationTime: 4000 * 86_400 }
    const primary = { isPrimaryUserID: true, keyFlags: new Uint8Array([enums.keyFlags.signData]) }
    const users = ['a', 'b'].map((name) => openpgp.UserIDPacket.fromObject({ name }))
    const keyOf = async (...statements: [user: number, month: number, change: Change, type?: number, by?: Key][]) => {
      const packets = new openpgp.PacketList<openpgp.AnyPacket>()
      packets.push(key.toPublic().keyPacket)
      for (const [i, user] of [undefined, ...users].entries()) {
        if (user !== undefined) packets.push(user)
        for (const [of, month, change, type = user ? certGeneric : ofKey, by = key] of statements) {
          const about = user === undefined ? data : { ...data, userID: user }
          if (of === i) packets.push(await packetOf(by, about, type, change, key, new Date(2024, month)))
        }
      }
      return readKeyring(packets.write(), 'keys')
    }
    const [literal] = (await openpgp.createMessage({ binary: signedData })).packets
    const signature = packetsOf(await packetOf(key, literal, binary))
    const first = [1, 2, primary] as const
    for (const [expected, keyring] of [
      [undefined, keyOf([...first], [2, 1, {}])],
      ['its key is expired', keyOf([...first], [2, 1, expires])],
      ['its key is expired', keyOf([...first], [2, 3, expires], [2, 1, longer])],
      [undefined, keyOf([...first], [2, 1, expires], [2, 3, longer])],
      [undefined, keyOf([...first], [2, 1, expires], [2, 3, {}, certRevocation])],
      [undefined, keyOf([...first], [2, 3, expires, certGeneric, stranger])],
      [undefined, keyOf([...first], [2, 1, expires], [0, 1, longer])],
      ['its key is not for signing', keyOf([...first], [2, 3, { keyFlags: new Uint8Array([1]) }])],
      [undefined, keyOf([...first], [2, 1, { keyFlags: new Uint8Array([1]) }])],
      ['its key is not for signing', keyOf([...first], [0, 1, { keyFlags: new Uint8Array([1]) }])],
    ] as const) {
      const [{ reason }] = await verifyOpenPgp(signedData, signature, await keyring, today)
      assert.equal(reason, expected)
    }
  })

  describe('what the key was when it signed does not matter', () => {
    const signatureOf = async (key: Key, date: Date, type = enums.signature.binary) => {
      const [literal] = (await openpgp.createMessage({ binary: signedData })).packets
      return packetsOf(await packetOf(key, literal, type, {}, key, date))
    }

    test('it had expired and was renewed later', async () => {
      const user = { userIDs: { name: 'renewed' }, format: 'object' } as const
      const { privateKey } = await openpgp.generateKey({ ...user, date: made, keyExpirationTime: 86_400 })
      const renewed = await openpgp.reformatKey({ ...user, privateKey, date: new Date('2025-01-01') })
      const copies = Buffer.concat([binaryKey(privateKey), binaryKey(renewed.privateKey)])
      const keyring = await readKeyring(copies, 'keys')
      const signatures = await signatureOf(privateKey, new Date('2024-06-01'))
      const [{ valid, reason }] = await verifyOpenPgp(signedData, signatures, keyring, today)
      assert.deepEqual([valid, reason], [true, undefined])
      const [early] = await verifyOpenPgp(signedData, signatures, keyring, new Date('2024-07-01'))
      assert.match(early.reason!, /expired/)
    })

    test('but it must have been there, and have signed data', async () => {
      const key = await newKey()
      const keyring = await readKeyring(binaryKey(key), 'keys')
      const reason = async (signatures: Uint8Array[]) => {
        const [verdict, ...others] = await verifyOpenPgp(signedData, signatures, keyring, today)
        assert.deepEqual(others, [])
        return verdict.reason
      }
      assert.equal(await reason(await signatureOf(key, new Date('2024-06-01'))), undefined)
      assert.equal(await reason(await signatureOf(key, new Date('2023-06-01'))), 'its key is newer than it')
      const standalone = await signatureOf(key, new Date('2024-06-01'), enums.signature.standalone)
      assert.equal(await reason(standalone), 'it is not one of data')
      const version3 = Buffer.concat([Buffer.from([0x88, 6, 3, 5, 0]), Buffer.alloc(3)])
      assert.equal(await reason([version3]), 'its version or algorithm is not known')
    })
  })

  describe('revocations', () => {
    const revocation = (of: Key, by: Key, change?: Change, claimed?: Key) =>
      packetOf(by, { key: of.keyPacket }, enums.signature.keyRevocation, change, claimed)

    const subkeyRevocation = (of: Key, change?: Change) => {
      const data = { key: of.keyPacket, bind: of.subkeys[0].keyPacket }
      return packetOf(of, data, enums.signature.subkeyRevocation, change)
    }

    /** With this, `revoker` may revoke the key. */
    const designation = (of: Key, revoker: Key, by = of) => {
      const change = {
        revocationKeyClass: 0x80,
        revocationKeyAlgorithm: revoker.keyPacket.algorithm,
        revocationKeyFingerprint: Buffer.from(revoker.getFingerprint(), 'hex'),
      }
      return packetOf(by, { key: of.keyPacket }, enums.signature.key, change, of)
    }

    /** Of a signature by the subkey. */
    const verdict = async (key: Key, keyring: OpenPgpKeyring, date = today) => {
      const message = await openpgp.createMessage({ binary: signedData })
      const signing = { message, signingKeys: key, date: new Date('2024-06-01') }
      const signature = await openpgp.sign({ ...signing, detached: true, format: 'binary' })
      const [{ valid, reason }] = await verifyOpenPgp(signedData, [signature], keyring, date)
      return valid ? 'valid' : reason!
    }

    const superseded = { reasonForRevocationFlag: enums.reasonForRevocation.keySuperseded }
    const expired = { ...superseded, signatureExpirationTime: 60, signatureNeverExpires: false }
    const weak = { hashAlgorithm: enums.hash.ripemd }

    for (const [name, { type, change, date }] of Object.entries({
      'that has expired': { type: 'ecc', change: expired, date: today },
      'by a weak hash': { type: 'rsa', change: weak, date: today },
      'of a date to come': { type: 'ecc', change: superseded, date: new Date('2024-12-31') },
    } as const)) {
      test(`one ${name} counts, also in one of two copies of a key`, async () => {
        const key = await newKey(type)
        const good = binaryKey(key)
        for (const revoked of [
          binaryKey(key, packetsOf(await revocation(key, key, change))),
          binaryKey(key, [], packetsOf(await subkeyRevocation(key, change))),
        ]) {
          for (const copies of [[revoked], [good, revoked], [revoked, good]]) {
            const keyring = await readKeyring(Buffer.concat(copies), 'keys')
            for (const each of [keyring, await readKeyring(encodeKeyring(keyring), 'imported')]) {
              assert.match(await verdict(key, each, date), /revoked/)
            }
          }
        }
      })
    }

    test('another key counts if this one allows it', async () => {
      const [key, revoker] = await Promise.all([newKey(), newKey()])
      const other = binaryKey(revoker)
      const by = await revocation(key, revoker)
      const allowed = await designation(key, revoker)
      const forged = await designation(key, revoker, revoker)
      const broken = await revocation(revoker, revoker)
      for (const [expected, keyring] of [
        [/its key is revoked/, [binaryKey(key, packetsOf(by, allowed)), other]],
        [/its key is revoked/, [other, binaryKey(key, packetsOf(by, allowed))]],
        [/valid/, [binaryKey(key, packetsOf(by)), other]],
        [/valid/, [binaryKey(key, packetsOf(by, forged)), other]],
        [/valid/, [binaryKey(key, packetsOf(broken, allowed)), other]],
        // Nobody can tell whether it is genuine.
        [/valid/, [binaryKey(key, packetsOf(by, allowed))]],
      ] as const) {
        const read = await readKeyring(Buffer.concat(keyring), 'keys')
        assert.match(await verdict(key, read), expected)
      }
    })

    test('one by a stranger, or of something else, does not count', async () => {
      const [key, stranger] = await Promise.all([newKey(), newKey()])
      const claimed = await revocation(key, stranger, {}, key)
      for (const packet of [claimed, await revocation(key, stranger), await revocation(stranger, key)]) {
        const read = await readKeyring(binaryKey(key, packetsOf(packet)), 'keys')
        assert.equal(await verdict(key, read), 'valid')
      }
    })

    test('a keyring with one that cannot be read is refused, unless it is of a key that cannot be read', async () => {
      const key = await newKey()
      const version3 = Buffer.concat([Buffer.from([0x88, 6, 3, 5, enums.signature.keyRevocation]), Buffer.alloc(3)])
      const broken = Buffer.from([0x88, 6, 4, enums.signature.keyRevocation, 1, 8, 0, 99])
      for (const packet of [version3, broken]) {
        await assert.rejects(readKeyring(binaryKey(key, [packet]), 'keys'), {
          code: 'SLUICE_CONFIG',
          message: /keys is not a keyring: it has a revocation that cannot be read/,
        })
        const oldKey = Buffer.concat([Buffer.from([0x98, 8, 3]), Buffer.alloc(7), packet])
        assert.equal(await verdict(key, await readKeyring(Buffer.concat([oldKey, binaryKey(key)]), 'keys')), 'valid')
      }
    })

    test('other packets that cannot be read do not matter', async () => {
      const key = await newKey()
      const noCreationTime = Buffer.from([0x88, 10, 4, enums.signature.certGeneric, 1, 8, 0, 0, 0, 0, 0, 0])
      const cutSubpackets = Buffer.from([0x88, 6, 4, enums.signature.certGeneric, 1, 8, 0, 99])
      for (const packet of [noCreationTime, cutSubpackets]) {
        for (const ring of [binaryKey(key, [packet]), binaryKey(key, [], [packet])]) {
          assert.equal(await verdict(key, await readKeyring(ring, 'keys')), 'valid')
        }
      }
    })
  })

  test('what is no list of keys is told apart', async () => {
    const keybox = Buffer.from('00000020010100024b425866', 'hex')
    for (const bytes of [keybox, Buffer.from('hello'), Buffer.alloc(0), gpgKeys.subarray(0, 20), gpgSignatures.good]) {
      await assert.rejects(readKeyring(bytes, 'keys.gpg'), withCode('SLUICE_CONFIG'))
    }
  })
})

function base64Key(key: KeyObject): string {
  return key.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64')
}

describe('public keys', () => {
  const ours = generateKeyPairSync('ed25519')
  const theirs = generateKeyPairSync('ed25519')
  const pem = ours.publicKey.export({ format: 'pem', type: 'spki' })

  test('ed25519 in every form', () => {
    const raw = Buffer.from(base64Key(ours.publicKey), 'base64')
    const lines = Buffer.from(`# ours\n\n${base64Key(ours.publicKey)}\n`)
    for (const bytes of [raw, lines, Buffer.from(pem)]) {
      const keys = readPublicKeys('ed25519', bytes, 'key')
      const signature = sign(undefined, signedData, ours.privateKey)
      const [good, bad, short] = verifyByPublicKeys(
        'ed25519',
        signedData,
        [signature, sign(undefined, signedData, theirs.privateKey), signature.subarray(1)],
        keys,
      )
      assert.deepEqual(good, { kind: 'ed25519', signer: base64Key(ours.publicKey), valid: true, reason: undefined })
      assert.deepEqual([bad.valid, short.valid], [false, false])
    }
  })

  test('ed25519 keys for which anybody can sign are refused', () => {
    const der = ours.publicKey.export({ format: 'der', type: 'spki' })
    const order8 = Buffer.from('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a', 'hex')
    const zero = Buffer.alloc(32)
    const [negative, one] = [Buffer.from(order8), Buffer.from(zero)]
    negative[31] |= 0x80
    one[0] = 1
    for (const bytes of [zero, one, order8, negative]) {
      const body = Buffer.concat([der.subarray(0, -32), bytes]).toString('base64')
      const pem = Buffer.from(`-----BEGIN PUBLIC KEY-----\n${body}\n-----END PUBLIC KEY-----\n`)
      for (const file of [bytes, Buffer.from(bytes.toString('base64')), pem]) {
        assert.throws(() => readPublicKeys('ed25519', file, 'key'), {
          code: 'SLUICE_CONFIG',
          message: 'key holds an ed25519 key for which anybody can make signatures',
        })
      }
    }
  })

  test('spki takes the algorithm from the key', () => {
    const pairs = [
      generateKeyPairSync('ec', { namedCurve: 'P-256' }),
      generateKeyPairSync('rsa', { modulusLength: 2048 }),
      ours,
    ]
    for (const { publicKey, privateKey } of pairs) {
      const der = publicKey.export({ format: 'der', type: 'spki' })
      const signature = sign(undefined, signedData, privateKey)
      for (const bytes of [Buffer.from(der.toString('base64')), publicKey.export({ format: 'pem', type: 'spki' })]) {
        const keys = readPublicKeys('spki', Buffer.from(bytes), 'key')
        const verdicts = verifyByPublicKeys('spki', signedData, [signature, Buffer.alloc(64), Buffer.alloc(0)], keys)
        assert.deepEqual(
          verdicts.map(({ valid }) => valid),
          [true, false, false],
        )
      }
    }
  })

  test('a file with something else is refused', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'pem', type: 'spki' })
    for (const text of ['', '# nothing\n', 'short', rsa.toString()]) {
      assert.throws(() => readPublicKeys('ed25519', Buffer.from(text), 'key'), withCode('SLUICE_CONFIG'))
    }
    assert.throws(() => readPublicKeys('spki', Buffer.from('AAAA'), 'key'), withCode('SLUICE_CONFIG'))
  })

  test('OpenPGP and the others are independent: what is asked for must all be there', async () => {
    const gpg = await readKeyring(gpgKeys, 'keys')
    const ed25519 = readPublicKeys('ed25519', Buffer.from(pem), 'key')
    const signature = sign(undefined, signedData, ours.privateKey)
    const require = (keys: TrustedKeys, gpgSigned: boolean, signed: boolean) =>
      requireSignatures('commit x', {
        data: signedData,
        signatures: { gpg: gpgSigned ? [gpgSignatures.good] : [], ed25519: signed ? [signature] : [], spki: [] },
        keys,
        date: today,
      })
    const refused = /commit x has no valid .* signature by a trusted key: it is not signed/
    assert.equal((await require({ gpg, sign: { ed25519 } }, true, true)).length, 2)
    await assert.rejects(require({ gpg, sign: { ed25519 } }, true, false), refused)
    await assert.rejects(require({ gpg, sign: { ed25519 } }, false, true), refused)
    assert.equal((await require({ sign: { ed25519 } }, false, true)).length, 1)
    // Keys that demand nothing, as those of a program that has them in the wrong place, would let everything pass.
    await assert.rejects(require({}, true, true), withCode('SLUICE_USAGE'))
    await assert.rejects(require({ sign: {} }, true, true), withCode('SLUICE_POLICY'))
  })

  test('signatures without end are refused', async () => {
    const ed25519 = Array.from({ length: MAX_SIGNATURES + 1 }, () => Buffer.alloc(64))
    const signatures = { gpg: [], ed25519, spki: [] }
    await assert.rejects(verifySignatures({ data: signedData, signatures, keys: {} }), withCode('SLUICE_FORMAT'))
  })
})

describe('whom a remote trusts', () => {
  const [one, two] = [generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519')].map(({ publicKey }) =>
    base64Key(publicKey),
  )

  test('its own keyring, else that of the host', async (t) => {
    const directory = temporaryDirectory(t)
    const own = join(directory, 'r.trustedkeys.gpg')
    const trust = () => loadRemoteTrust(remote({}), own, [directory])
    await assert.rejects(trust(), withCode('SLUICE_CONFIG'))
    mkdirSync(join(directory, 'trusted.gpg.d'))
    writeFileSync(join(directory, 'trusted.gpg.d/README'), 'no key')
    writeFileSync(join(directory, 'trusted.gpg.d/host.gpg'), gpgKeys)
    assert.equal((await trust()).commits?.gpg?.keys.length, 5)
    writeFileSync(own, gpgKeys.subarray(0, gpgKeys.indexOf(gpgKeys.subarray(0, 4), 4)))
    assert.ok((await trust()).commits!.gpg!.keys.length < 5)
    assert.equal((await trust()).summary, undefined)
  })

  test('keys of files and directories that it names', async (t) => {
    const directory = temporaryDirectory(t)
    mkdirSync(join(directory, 'keys'))
    writeFileSync(join(directory, 'keys/a.gpg'), gpgKeys)
    writeFileSync(join(directory, 'b.gpg'), gpgKeys)
    const gpgkeypath = `${directory}/keys;${directory}/b.gpg`
    const { commits, summary } = await loadRemoteTrust(
      remote({ gpgkeypath, 'gpg-verify-summary': 'true' }),
      join(directory, 'none'),
      [],
    )
    assert.deepEqual([commits!.gpg!.keys.length, summary!.gpg!.keys.length], [5, 5])
  })

  test('a directory of keys may have other files; the keys of the host count unless the remote has its own', async (t) => {
    const directory = temporaryDirectory(t)
    const keys = join(directory, 'keys')
    for (const each of ['keys/more.gpg', 'trusted.gpg.d/more.gpg'])
      mkdirSync(join(directory, each), { recursive: true })
    writeFileSync(join(keys, 'README'), 'no key')
    const own = join(directory, 'own')
    const count = async () =>
      (await loadRemoteTrust(remote({ gpgkeypath: keys }), own, [directory])).commits!.gpg!.keys.length
    await assert.rejects(count(), withCode('SLUICE_CONFIG'))
    const one = gpgKeys.subarray(0, gpgKeys.indexOf(gpgKeys.subarray(0, 4), 4))
    writeFileSync(join(keys, 'one.gpg'), one)
    assert.equal(await count(), 1)
    writeFileSync(join(directory, 'trusted.gpg.d/all.gpg'), gpgKeys)
    assert.equal(await count(), 5)
    writeFileSync(own, one)
    assert.equal(await count(), 1)
  })

  test('several files without keys are one error', async (t) => {
    const directory = temporaryDirectory(t)
    writeFileSync(join(directory, 'none.asc'), 'no key')
    const gpgkeypath = `${directory}/none.asc;${directory}/missing.gpg`
    const unhandled = t.mock.fn()
    process.once('unhandledRejection', unhandled)
    t.after(() => process.off('unhandledRejection', unhandled))
    await assert.rejects(loadRemoteTrust(remote({ gpgkeypath }), '', []), { message: /none\.asc is not a keyring/ })
    await new Promise(setImmediate)
    assert.equal(unhandled.mock.callCount(), 0)
  })

  test('bare keys: its own, else those of the host, without those that are revoked', async (t) => {
    const directory = temporaryDirectory(t)
    const names = async (settings: Record<string, string>) => {
      const { commits } = await loadRemoteTrust(remote({ 'gpg-verify': 'false', ...settings }), '', [directory])
      return commits?.sign?.ed25519?.map(({ name }) => name)
    }
    assert.deepEqual(await names({ 'sign-verify': 'false' }), undefined)
    await assert.rejects(names({ 'sign-verify': 'true' }), withCode('SLUICE_CONFIG'))
    mkdirSync(join(directory, 'trusted.ed25519.d'))
    writeFileSync(join(directory, 'trusted.ed25519'), `${one}\n`)
    writeFileSync(join(directory, 'trusted.ed25519.d/more'), `${two}\n`)
    assert.deepEqual(await names({ 'sign-verify': 'true' }), [one, two])
    assert.deepEqual(await names({ 'sign-verify': 'ed25519;', 'verification-ed25519-key': two }), [two])
    writeFileSync(join(directory, 'revoked.ed25519'), `${one}\n`)
    assert.deepEqual(await names({ 'sign-verify': 'true' }), [two])
    await assert.rejects(names({ 'sign-verify': 'ed25519,spki' }), withCode('SLUICE_CONFIG'))
  })
})
