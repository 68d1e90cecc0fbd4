/** Pulls in threads of a program's own, which the library did not start. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { nativeState } from '../../src/native/library.js'
import { writeLayout } from '../helpers/layout-images.js'
import { layerTar } from '../helpers/pull.js'
import { temporaryDirectory } from '../helpers/temporary.js'

const library = JSON.stringify(new URL('../../src/index.js', import.meta.url).href)

/** Run in a thread: pulls with a thread of the library, and tells which native code it had. */
const pulling = `
  import { parentPort, workerData as folder } from 'node:worker_threads'
  import { hostCapabilities, openImageSource, openOrInit, pullOciImage } from ${library}
  const repository = await openOrInit(folder + '/repository', { insecure: true }, { init: true })
  const open = () => openImageSource('oci:' + folder + '/layout:t')
  const { manifestVerity } = await pullOciImage(repository, open, { tag: 't', threads: 1 })
  repository.close()
  parentPort.postMessage([manifestVerity, hostCapabilities().native])`

for (const isPrepared of [false, true]) {
  const how = isPrepared ? 'after the main thread has' : 'when the main thread has not'
  test(`a pull in a thread of a program, ${how} asked what the host has`, (t) => {
    const folder = temporaryDirectory(t)
    writeLayout(join(folder, 'layout'), new Map([['t', [layerTar('a'), layerTar('b')]]]))
    const program = `
      import { Worker } from 'node:worker_threads'
      import { hostCapabilities } from ${library}
      if (${isPrepared}) hostCapabilities()
      const thread = new Worker(${JSON.stringify(pulling)}, { eval: true, workerData: ${JSON.stringify(folder)} })
      thread.on('message', (result) => console.log(JSON.stringify(result)))`
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
    const [verity, native] = JSON.parse(stdout || assert.fail(stderr)) as [string, string]
    assert.match(verity, /^[0-9a-f]{128}$/)
    const state = nativeState()
    assert.equal(native, isPrepared || state === 'off' ? state : 'missing')
  })
}
