/** Opening files below a directory: what is found, and that nothing outside ever is. */
import { test, type TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { libcAvailable } from '../../src/native/libc.js'
import { openBeneath, openChild, walkBeneath, type OpenBeneathOptions } from '../../src/native/open-beneath.js'
import { temporaryDirectory } from '../helpers/temporary.js'

/** `diff` with files and links, beside a secret. */
function makeTree(t: TestContext): number {
  const root = temporaryDirectory(t)
  const diff = join(root, 'diff')
  mkdirSync(join(diff, 'usr/lib'), { recursive: true })
  writeFileSync(join(root, 'secret'), 'secret')
  writeFileSync(join(diff, 'top'), 'top')
  writeFileSync(join(diff, 'usr/lib/a'), 'a')
  writeFileSync(Buffer.concat([Buffer.from(`${diff}/usr/`), Buffer.from([0xff, 0xfe])]), 'bytes')
  symlinkSync('usr/lib', join(diff, 'relative'))
  symlinkSync('/usr/lib', join(diff, 'absolute'))
  symlinkSync('..', join(diff, 'up'))
  symlinkSync(root, join(diff, 'out'))
  symlinkSync('../secret', join(diff, 'secret-link'))
  symlinkSync('usr/lib/a', join(diff, 'file-link'))
  symlinkSync('loop', join(diff, 'loop'))
  symlinkSync('/proc/self/fd', join(diff, 'magic'))
  execFileSync('mkfifo', [join(diff, 'fifo')])
  const fd = openSync(diff, 'r')
  t.after(() => closeSync(fd))
  return fd
}

type Open = (at: number, path: Buffer, options?: OpenBeneathOptions) => { value: number; errno: string | undefined }

/** What is in the file, or why it cannot be opened. */
function content(open: Open, at: number, path: string | Buffer, options?: OpenBeneathOptions): string {
  const { value, errno } = open(at, Buffer.from(path), options)
  if (errno !== undefined) return errno
  try {
    const stats = fstatSync(value)
    return stats.isFile() ? readFileSync(value, 'utf8') : stats.isDirectory() ? 'directory' : 'special'
  } finally {
    closeSync(value)
  }
}

for (const [name, open] of [
  ['openBeneath', openBeneath],
  ['walkBeneath', walkBeneath],
] as const) {
  test(`${name} opens what is there, and never by a link`, (t) => {
    const at = makeTree(t)
    const before = readdirSync('/proc/self/fd').length
    assert.equal(content(open, at, 'top'), 'top')
    assert.equal(content(open, at, 'usr/lib/a'), 'a')
    assert.equal(content(open, at, Buffer.concat([Buffer.from('usr/'), Buffer.from([0xff, 0xfe])])), 'bytes')
    assert.equal(content(open, at, 'usr/lib'), 'directory')
    assert.equal(content(open, at, 'usr/lib', { directory: true }), 'directory')
    assert.equal(content(open, at, 'fifo'), 'special', 'without waiting for who writes')
    assert.equal(content(open, at, 'usr/none'), 'ENOENT')
    assert.equal(content(open, at, 'top/a'), 'ENOTDIR')
    assert.equal(content(open, at, 'top', { directory: true }), 'ENOTDIR')
    for (const path of ['file-link', 'secret-link', 'loop']) assert.equal(content(open, at, path), 'ELOOP', path)
    for (const path of ['relative/a', 'absolute/a', 'up/secret', 'out/secret', 'magic/0']) {
      assert.match(content(open, at, path), /^(ELOOP|ENOTDIR)$/, path)
    }
    assert.equal(readdirSync('/proc/self/fd').length, before, 'no descriptor is left open')
  })
}

test('links are followed as if the directory were the root', { skip: !libcAvailable() && 'needs openat2' }, (t) => {
  const at = makeTree(t)
  const follow = (path: string): string => content(openBeneath, at, path, { followLinks: true })
  assert.equal(follow('relative/a'), 'a')
  assert.equal(follow('absolute/a'), 'a')
  assert.equal(content(openBeneath, at, 'absolute', { directory: true, followLinks: true }), 'directory')
  for (const path of ['up/secret', 'out/secret', 'secret-link', 'magic/0']) assert.equal(follow(path), 'ENOENT', path)
  assert.equal(follow('loop'), 'ELOOP')
})

test('a child is opened by its name alone', (t) => {
  const at = makeTree(t)
  assert.equal(content(openChild, at, 'top'), 'top')
  assert.equal(content(openChild, at, 'fifo'), 'special')
  assert.equal(content(openChild, at, 'secret-link'), 'ELOOP')
  assert.equal(content(openChild, at, 'nul\0'), 'ERR_INVALID_ARG_VALUE')
})
