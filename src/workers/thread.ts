/** What runs in each thread: tasks as they come, one after the other. */
import { createHash, type Hash } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { storeBatch } from '../stages/object/object-batch.js'
import { SLAB_HEADROOM, slabBytes } from '../stages/slab/slab-pool.js'
import type { DecoderStep } from '../native/codec-library.js'
import { PinnedBuffer } from '../native/pinned-buffer.js'
import { localDecoder, type LocalDecoder } from '../stages/decompress/decoder.js'
import {
  packError,
  type Reply,
  type Request,
  type Results,
  type Task,
  type ThreadSetup,
  type DecodeTask,
} from './messages.js'
import type { OstreeTasks } from './ostree-tasks.js'
import { openThreadObjects } from './thread-objects.js'

const { memory, objects } = workerData as ThreadSetup
const store = openThreadObjects(objects)
const digests = new Map<number, Hash>()

function digestOf({ digest, algorithm }: { digest: number; algorithm: string }): Hash {
  const known = digests.get(digest)
  if (known !== undefined) return known
  const hash = createHash(algorithm)
  digests.set(digest, hash)
  return hash
}

/** What a slab is filled with. */
function slabRoom({ slab, length }: { slab: number; length: number }): Buffer {
  return slabBytes(memory, slab).subarray(SLAB_HEADROOM, SLAB_HEADROOM + length)
}

/** Loaded only for pulls of commits. */
let ostreeTasks: Promise<OstreeTasks> | undefined

function openOstreeTasks(): Promise<OstreeTasks> {
  const slabs = { whole: (slab: number) => slabBytes(memory, slab), filled: slabRoom }
  return import('./ostree-tasks.js').then(({ OstreeTasks }) => new OstreeTasks(store, slabs))
}

/** Loaded only for imports. */
let fileFiller: ReturnType<typeof openFileFiller> | undefined

async function openFileFiller() {
  const { fileFiller } = await import('../stages/slab/fill-from-files.js')
  return fileFiller(store)
}

const decoders = new Map<number, LocalDecoder>()
/** Made once, as finding an address takes a call. */
const rooms = new Map<number, PinnedBuffer>()

function roomOf(slab: number): PinnedBuffer {
  const known = rooms.get(slab)
  if (known !== undefined) return known
  const room = PinnedBuffer.over(slabBytes(memory, slab).subarray(SLAB_HEADROOM))
  rooms.set(slab, room)
  return room
}

function decoderOf({ decoder, kind }: DecodeTask): LocalDecoder {
  const known = decoders.get(decoder)
  if (known !== undefined) return known
  const opened = localDecoder(kind)
  decoders.set(decoder, opened)
  return opened
}

function decode(task: DecodeTask): DecoderStep {
  const decoder = decoderOf(task)
  if (task.begin !== undefined) decoder.begin(task.begin)
  const { start, length } = task.input
  const input = roomOf(task.input.slab).bytes.subarray(start, start + length)
  return decoder.step(input, roomOf(task.output.slab), task.output.at)
}

type Result = Results[Task['type']]

function perform(task: Task): Result | Promise<Result> {
  switch (task.type) {
    case 'store':
      return storeBatch(store, slabBytes(memory, task.slab), task.batch)
    case 'fill':
      return (fileFiller ??= openFileFiller()).then((fill) => fill(slabBytes(memory, task.slab), task.parts))
    case 'update':
      digestOf(task).update(slabRoom(task))
      return undefined
    case 'digest': {
      const hash = digestOf(task)
      digests.delete(task.digest)
      return hash.digest('hex')
    }
    case 'abort':
      digests.delete(task.digest)
      return undefined
    case 'decode':
      return decode(task)
    case 'close':
      decoders.get(task.decoder)?.close()
      decoders.delete(task.decoder)
      return undefined
    default:
      return (ostreeTasks ??= openOstreeTasks()).then((tasks) => tasks.perform(task))
  }
}

const now = (): number => performance.timeOrigin + performance.now()

const port = parentPort!
port.on('message', (request: Request) => {
  if (request === null) return port.close()
  const startedAt = now()
  const reply = (rest: Pick<Reply, 'result' | 'error'>): void =>
    port.postMessage({ id: request.id, startedAt, endedAt: now(), ...rest } satisfies Reply)
  const fail = (error: unknown): void => reply({ error: packError(error) })
  try {
    const result = perform(request.task)
    // Most are at once done, and their answers must not wait for another turn.
    if (result instanceof Promise) result.then((result) => reply({ result }), fail)
    else reply({ result })
  } catch (error) {
    fail(error)
  }
})
