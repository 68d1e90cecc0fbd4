import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SluiceError, type ErrorCode } from '../../src/errors.js'
import { redactText, redactUrl } from '../../src/formats/redact.js'
import { parseReference, parseReferenceOrName } from '../../src/formats/oci/reference.js'
import { completeName, formatRegistryName, parseNameParts, serverHost } from '../../src/formats/oci/registry-name.js'

const sha256 = `sha256:${'ab'.repeat(32)}`

function fails(code: ErrorCode, message?: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof SluiceError && error.code === code && (message?.test(error.message) ?? true)
}

test('references of layouts: the text after the last colon is the tag unless it has a slash', () => {
  const table: [string, string, string | undefined][] = [
    ['oci:p', 'p', undefined],
    ['oci:p:', 'p', ''],
    ['oci:a:b:c', 'a:b', 'c'],
    ['oci:/x:y/z', '/x:y/z', undefined],
    ['oci:/x:y/z:t', '/x:y/z', 't'],
    ['oci-archive:/tmp/a.tar:v1', '/tmp/a.tar', 'v1'],
    ['dir:/tmp/a:v1', '/tmp/a:v1', undefined],
  ]
  for (const [text, path, tag] of table) {
    const transport = text.slice(0, text.indexOf(':'))
    assert.deepEqual(parseReference(text), { transport, text, path, ...(tag === undefined ? {} : { tag }) }, text)
  }
})

test('references that are none', () => {
  assert.throws(() => parseReference('debian'), fails('SLUICE_USAGE', /Missing ':'/))
  assert.throws(() => parseReference('oci:'), fails('SLUICE_USAGE', /Invalid empty name/))
  assert.throws(() => parseReference('docker:debian'), fails('SLUICE_USAGE', /not followed by \/\//))
  assert.throws(() => parseReference('quay.io/a/b:c'), fails('SLUICE_USAGE', /Invalid transport: "quay.io\/a\/b"/))
  assert.throws(() => parseReference('constructor:x'), fails('SLUICE_USAGE', /Invalid transport/))
  for (const transport of ['docker-archive', 'docker-daemon']) {
    assert.throws(() => parseReference(`${transport}:/x`), fails('SLUICE_UNSUPPORTED', new RegExp(transport)))
  }
})

test('names in registries are completed', () => {
  const table: [string, string][] = [
    ['debian', 'docker.io/library/debian:latest'],
    ['debian:12', 'docker.io/library/debian:12'],
    ['docker.io/debian', 'docker.io/library/debian:latest'],
    ['index.docker.io/library/debian', 'docker.io/library/debian:latest'],
    ['user/app', 'docker.io/user/app:latest'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/a/b:t', 'localhost:5000/a/b:t'],
    ['localhost:5000', 'docker.io/library/localhost:5000'],
    ['[::1]:5000/a:t', '[::1]:5000/a:t'],
    ['Quay.IO/fedora/fedora:41', 'quay.io/fedora/fedora:41'],
    [`quay.io/a/b@${sha256}`, `quay.io/a/b@${sha256}`],
    [`quay.io/a/b:t@${sha256}`, `quay.io/a/b:t@${sha256}`],
    ['host.example/a__b/c-d.e_f:V1.2-x_y', 'host.example/a__b/c-d.e_f:V1.2-x_y'],
  ]
  for (const [text, complete] of table) {
    for (const prefix of ['docker://', 'registry:']) {
      const reference = parseReference(prefix + text)
      assert.equal(reference.transport, 'docker')
      assert.equal(formatRegistryName(reference.name), complete, text)
    }
  }
  assert.equal(serverHost('docker.io'), 'registry-1.docker.io')
  assert.equal(serverHost('quay.io'), 'quay.io')
})

test('names that are refused', () => {
  const table = [
    '',
    '/',
    'a//b',
    'a/',
    '-a',
    'a..b',
    'UPPER',
    'quay.io/Upper',
    'a:t:u',
    'a:',
    'a:-t',
    `a:${'t'.repeat(129)}`,
  ]
  const more = ['a@sha256:12', 'a@b', 'a'.repeat(256), 'ho st/a', 'host:port/a', 'quay.io/', 'a/../b', 'a\n']
  // Hosts that a URL would not have, or have as another one, which no policy speaks of.
  const hosts = ['127.0.0.1:99999', '[:::]', 'foo.1', '1.2.3.4.5', '256.1.1.1', 'xn--a.com', '127.1:5000', '0x7f.0.0.1']
  const inHosts = hosts.map((host) => `${host}/a`)
  for (const text of [...table, ...more, ...inHosts, 'host.example/a@foo:bar']) {
    assert.throws(() => parseNameParts(text), fails('SLUICE_USAGE'), text)
  }
  for (const host of ['[::1]:5000', '10.0.0.1', 'under_score.example', 'dot.example.:443']) parseNameParts(`${host}/a`)
})

test('bare names: a known transport is one, anything else is a name', () => {
  const named = parseReferenceOrName('localhost:5000/a:t')
  assert.deepEqual(named, {
    transport: 'bare',
    text: 'localhost:5000/a:t',
    parts: { host: 'localhost:5000', path: 'a', tag: 't' },
  })
  assert.equal(parseReferenceOrName('oci:x').transport, 'oci')
  assert.deepEqual(completeName(parseNameParts('debian:12')), { host: 'docker.io', path: 'library/debian', tag: '12' })
  assert.throws(() => parseReferenceOrName('docker-archive:/x'), fails('SLUICE_UNSUPPORTED'))
})

test('secrets do not get into errors about references', () => {
  for (const parse of [parseReference, parseReferenceOrName]) {
    assert.throws(
      () => parse('docker://bob:hunter22@host/x'),
      (error) => error instanceof SluiceError && !error.message.includes('hunter22'),
    )
  }
})

test('redaction of URLs and texts', () => {
  assert.equal(
    redactUrl('https://bob:pw@cdn/x?X-Amz-Signature=abc&service=s#frag'),
    'https://cdn/x?X-Amz-Signature=***&service=s',
  )
  assert.equal(redactUrl('http://h/v2/'), 'http://h/v2/')
  assert.equal(
    redactText('see https://u:p@h/a?sig=1 and Bearer abcdefgh.ijk'),
    'see https://h/a?sig=*** and Bearer ***',
  )
  assert.equal(redactText('quay.io/a:t@sha256:abc stays'), 'quay.io/a:t@sha256:abc stays')
  for (const text of ['docker://bob:s3cr/et@host/a:1', '"bob:s3cr/et@host/a:1"', 'http://bob:s3/c@r/et@host:80']) {
    assert.equal(redactText(text), text.replace(/bob:.*@/, '***@'))
    assert.equal(redactUrl(text.replaceAll('"', '')), text.replaceAll('"', '').replace(/bob:.*@/, '***@'))
  }
  assert.equal(redactText(`bob:pw@host/a@sha256:${'0'.repeat(64)}`), `***@host/a@sha256:${'0'.repeat(64)}`)
  assert.equal(redactText('docker://host:5000/a:1@sha256:00'), 'docker://host:5000/a:1@sha256:00')
})
