/** A user without `HOME` whom the system does not know, as in containers that run under any number. */
import assert from 'node:assert/strict'
import os from 'node:os'
import { test } from 'node:test'
import { storagePlaces } from '../../src/stages/containers-storage/load-storage-conf.js'
import { openImageSource } from '../../src/stages/fetch/open.js'
import { openRemoteOstree } from '../../src/stages/ostree/remote-source.js'
import { mockBuiltin } from '../helpers/mock-builtin.js'
import { temporaryRepository } from '../helpers/temporary.js'

test('there is no configuration of a user without a home', async (t) => {
  const repository = await temporaryRepository(t)
  mockBuiltin(t, os, 'homedir', () => {
    throw Object.assign(new Error('uv_os_homedir returned ENOENT'), { code: 'ERR_SYSTEM_ERROR' })
  })
  for (const reference of ['oci:/nonexistent', 'docker://localhost:1/app']) {
    const source = await openImageSource(reference, { env: {}, etc: '/nonexistent' })
    await source.close()
  }
  await openRemoteOstree(repository, 'http://localhost:1/', { env: {} }).close()
  assert.equal(storagePlaces({}).home, '/nonexistent')
})
