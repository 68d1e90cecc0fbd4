import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { SluiceError } from '../../src/errors.js'
import { readDetachedSignatures } from '../../src/stages/ostree-verify/detached-signatures.js'
import { encodeKeyring } from '../../src/stages/ostree-verify/openpgp-keyring.js'
import { loadTrustedKeys } from '../../src/stages/ostree-verify/trusted-keys.js'
import { requireSignatures, verifySignatures, type TrustedKeys } from '../../src/stages/ostree-verify/verify.js'
import { ostreeVector } from '../helpers/ostree-vectors.js'
import { readJsonVector, readVector, vectorPath } from '../helpers/vectors.js'

interface SignatureCase {
  readonly kind: 'gpg' | 'ed25519' | 'none'
  readonly what: string
  readonly data: string
  readonly tamper?: 'xor-last-byte'
  readonly signature_from: string | null
  readonly key: string
  readonly valid: boolean
}

const directory = join(ostreeVector('archive'), '..')

const keyPath = (key: string) => vectorPath('ostree', key)

async function trustedKeys({ kind, key }: SignatureCase): Promise<TrustedKeys> {
  const keys = await loadTrustedKeys(kind === 'ed25519' ? { ed25519Key: keyPath(key) } : { gpgKeyring: keyPath(key) })
  return keys!
}

for (const vector of readJsonVector<SignatureCase[]>('ostree', 'signatures.json')) {
  test(`${vector.kind} ${vector.what}, ${vector.key}: ${vector.valid ? 'valid' : 'not valid'}`, async () => {
    const data = readFileSync(join(directory, vector.data))
    if (vector.tamper !== undefined) data[data.length - 1] ^= 1
    const detached = vector.signature_from === null ? undefined : readFileSync(join(directory, vector.signature_from))
    const signatures = readDetachedSignatures(detached)
    const input = { data, signatures, keys: await trustedKeys(vector) }
    const verdicts = await verifySignatures(input)
    assert.equal(verdicts.length, vector.signature_from === null ? 0 : 1)
    assert.equal(
      verdicts.some(({ valid }) => valid),
      vector.valid,
    )
    const required = requireSignatures(vector.what, input)
    if (vector.valid) assert.deepEqual(await required, verdicts)
    else await assert.rejects(required, (error) => error instanceof SluiceError && error.code === 'SLUICE_POLICY')
  })
}

test('the same keys in every form that they come in', async () => {
  const names = async (files: Parameters<typeof loadTrustedKeys>[0]) => {
    const { gpg, sign } = (await loadTrustedKeys(files))!
    return [gpg && encodeKeyring(gpg), sign?.ed25519?.map(({ name }) => name)]
  }
  assert.deepEqual(
    await names({ gpgKeyring: keyPath('keys/key.asc') }),
    await names({ gpgKeyring: keyPath('keys/key.gpg') }),
  )
  const base64 = readVector('ostree', 'keys', 'ed25519.pub.b64').toString().trim()
  assert.ok(existsSync(keyPath('keys/ed25519.pub.pem')))
  for (const file of ['keys/ed25519.pub.b64', 'keys/ed25519.pub.pem']) {
    assert.deepEqual(await names({ ed25519Key: keyPath(file) }), [undefined, [base64]])
  }
})
