/** The header's word on ACLs, which mount code asks (erofs.md §5.9). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Dialect, ErofsVersion } from '../../src/formats/erofs/format.js'
import { writeErofs } from '../../src/formats/erofs/write.js'
import { newDirectory } from '../../src/formats/tree/tree.js'

const flags = (name: string, version: ErofsVersion, dialect: Dialect): number => {
  const xattrs = new Map([[name, 'value']])
  const root = newDirectory({ mode: 0o755, uid: 0, gid: 0, mtime: 0n, mtimeNsec: 0, xattrs })
  return writeErofs(root, { version, dialect }).readUInt32LE(8)
}

for (const name of ['system.posix_acl_access', 'system.posix_acl_default']) {
  test(`${name} is told, in images of commits also with the zero byte at its end`, () => {
    for (const version of [0, 1] as const) {
      assert.equal(flags(name, version, 'c'), 1)
      assert.equal(flags(name, version, 'rust'), 1)
      // Only cfsctl writes such names; tried with 0.9.4.
      assert.equal(flags(`${name}\0`, version, 'c'), 0)
      assert.equal(flags(`${name}\0`, version, 'rust'), 1)
    }
    assert.equal(flags(name, 2, 'rust'), 0)
  })
}

test('no other name is', () => {
  for (const dialect of ['c', 'rust'] as const) assert.equal(flags('system.posix_acl', 1, dialect), 0)
})
