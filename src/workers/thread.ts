/** What runs in each thread: tasks as they come, one after the other. */
import { createHash, type Hash } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { ObjectStore } from '../repository/objects.js'
import { VerityPolicy } from '../repository/verity-policy.js'
import { storeBatch } from '../stages/object/object-batch.js'
import { SLAB_HEADROOM, slabBytes } from '../stages/slab/slab-pool.js'
import { packError, type Reply, type Request, type Results, type Task, type ThreadSetup } from './messages.js'

const { memory, objects } = workerData as ThreadSetup
const policy = new VerityPolicy(objects.algorithm, objects.secure ? 'required' : 'attempted')
const store = new ObjectStore(objects.directory, objects.algorithm, policy)
const digests = new Map<number, Hash>()

function digestOf({ digest, algorithm }: { digest: number; algorithm: string }): Hash {
  const known = digests.get(digest)
  if (known !== undefined) return known
  const hash = createHash(algorithm)
  digests.set(digest, hash)
  return hash
}

function perform(task: Task): Results[Task['type']] {
  switch (task.type) {
    case 'store':
      return storeBatch(store, slabBytes(memory, task.slab), task.batch)
    case 'update':
      digestOf(task).update(slabBytes(memory, task.slab).subarray(SLAB_HEADROOM, SLAB_HEADROOM + task.length))
      return undefined
    case 'digest': {
      const hash = digestOf(task)
      digests.delete(task.digest)
      return hash.digest('hex')
    }
    case 'abort':
      digests.delete(task.digest)
      return undefined
  }
}

const now = (): number => performance.timeOrigin + performance.now()

const port = parentPort!
port.on('message', (request: Request) => {
  if (request === null) return port.close()
  const startedAt = now()
  const reply = (rest: Pick<Reply, 'result' | 'error'>): void =>
    port.postMessage({ id: request.id, startedAt, endedAt: now(), ...rest } satisfies Reply)
  try {
    reply({ result: perform(request.task) })
  } catch (error) {
    reply({ error: packError(error) })
  }
})
