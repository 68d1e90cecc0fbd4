/** What runs in each thread of a check: one directory of objects after the other, until none is left. */
import { parentPort, workerData } from 'node:worker_threads'
import { Breather } from '../flow/breather.js'
import { objectDirectories } from '../repository/object-listing.js'
import { ObjectChecker } from '../stages/check/object-checker.js'
import type { CheckThreadMessage, CheckThreadSetup } from './check-objects.js'
import type { EndMessage } from './end-thread.js'
import { packError } from './messages.js'
import { openThreadObjects } from './thread-objects.js'

const { objects, next } = workerData as CheckThreadSetup
const checker = new ObjectChecker(openThreadObjects(objects), objects.secure)

const port = parentPort!
const tell = (message: CheckThreadMessage): void => port.postMessage(message)
const stopped = new AbortController()
port.on('message', (message: 'stop' | EndMessage) => (message === 'stop' ? stopped.abort() : port.close()))

const takeNext = (): number => Atomics.add(next, 0, 1)
async function checkAll(): Promise<void> {
  const breather = new Breather(stopped.signal)
  for (let number = takeNext(); number < objectDirectories.length; number = takeNext()) {
    tell({ directory: number, checked: await checker.check(objectDirectories[number], breather) })
  }
}

checkAll().then(
  () => tell('done'),
  (error: unknown) => tell({ error: packError(error) }),
)
