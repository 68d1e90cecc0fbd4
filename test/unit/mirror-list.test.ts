import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { readMirrorList } from '../../src/stages/ostree/mirror-list.js'
import { parseRemoteBase, remoteUrl, summaryKey, tryRemoteFile } from '../../src/stages/ostree/remote-urls.js'

const urls = (text: string) => readMirrorList(text).map(({ url }) => url.href)

test('lines that are no mirrors are skipped, the others keep their order', () => {
  const text = [
    '# mirrors',
    '',
    'ftp://a.example/repo',
    ' https://b.example/repo/ \r',
    '\t',
    '/srv/repo',
    'file:///srv/repo',
    'http://',
    '#https://c.example/repo',
    'HTTP://d.example?token=x',
  ].join('\n')
  assert.deepEqual(urls(text), ['https://b.example/repo', 'http://d.example/?token=x'])
  assert.deepEqual(urls(''), [])
})

test('users of mirrors are taken out of their URLs', () => {
  const [first, second] = readMirrorList('https://me:p%40ss@a.example/\nhttps://50%:x@b.example/')
  assert.equal(first.url.href, 'https://a.example/')
  assert.equal(first.authorization, `Basic ${Buffer.from('me:p@ss').toString('base64')}`)
  assert.equal(second.authorization, `Basic ${Buffer.from('50%:x').toString('base64')}`)
})

test('only the first hundred mirrors count', () => {
  const list = Array.from({ length: 150 }, (_, i) => `# ${i}\nhttp://m${i}.example/repo\n`).join('')
  const mirrors = urls(list)
  assert.equal(mirrors.length, 100)
  assert.equal(mirrors.at(-1), 'http://m99.example/repo')
})

test('any text is a list', () => {
  const part = fc.oneof(
    fc.constantFrom('http://', 'https://', '%', '@', ':', '#', '\n', '/', 'a.example', '['),
    fc.string(),
  )
  fc.assert(
    fc.property(fc.array(part, { maxLength: 20 }), (parts) => {
      for (const { url } of readMirrorList(parts.join(''))) assert.match(url.protocol, /^https?:$/)
    }),
  )
})

test('of the slashes at the end of an address one is dropped, and none counts for what summaries are kept under', () => {
  for (const [address, summary, key] of [
    ['http://a.example/r', 'http://a.example/r/summary', 'a.example-r'],
    ['http://a.example/r/', 'http://a.example/r/summary', 'a.example-r'],
    ['http://a.example/r//', 'http://a.example/r//summary', 'a.example-r'],
    ['http://a.example/r///?q', 'http://a.example/r///summary?q', 'a.example-r'],
    ['http://a.example', 'http://a.example/summary', 'a.example'],
    ['http://a.example//', 'http://a.example/summary', 'a.example'],
    ['http://a.example///', 'http://a.example///summary', 'a.example'],
  ] as const) {
    const base = parseRemoteBase(address)
    assert.equal(remoteUrl(base, ['summary']).href, summary)
    assert.equal(summaryKey(base), key)
  }
})

test('the address of the list itself stays as it is', () => {
  for (const address of ['http://a.example/lists/?repo=x&arch=y', 'http://a.example/list']) {
    assert.equal(remoteUrl(tryRemoteFile(address)!, []).href, address)
  }
})
