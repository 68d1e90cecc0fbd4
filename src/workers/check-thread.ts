/** What runs in each thread of a check: one directory of objects after the other, until none is left. */
import { parentPort, workerData } from 'node:worker_threads'
import { Breather } from '../flow/breather.js'
import { objectDirectories } from '../repository/object-listing.js'
import { ObjectStore } from '../repository/objects.js'
import { VerityPolicy } from '../repository/verity-policy.js'
import { ObjectChecker } from '../stages/check/object-checker.js'
import type { CheckThreadMessage, CheckThreadSetup } from './check-objects.js'
import { packError } from './messages.js'

const { objects, next } = workerData as CheckThreadSetup
const { directory, algorithm, secure } = objects
const policy = new VerityPolicy(algorithm, secure ? 'required' : 'attempted')
const checker = new ObjectChecker(new ObjectStore(directory, algorithm, policy), secure)

const port = parentPort!
const tell = (message: CheckThreadMessage): void => port.postMessage(message)
const stopped = new AbortController()
port.once('message', () => stopped.abort())
// The thread ends with its work, and not only when somebody stops it.
port.unref()

const takeNext = (): number => Atomics.add(next, 0, 1)
try {
  const breather = new Breather(stopped.signal)
  for (let number = takeNext(); number < objectDirectories.length; number = takeNext()) {
    tell({ directory: number, checked: await checker.check(objectDirectories[number], breather) })
  }
} catch (error) {
  tell({ error: packError(error) })
}
