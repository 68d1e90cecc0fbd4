/** What runs in each thread: one task after the other, those of decoders first. */
import { createHash, type Hash } from 'node:crypto'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { storeBatch } from '../stages/object/object-batch.js'
import { SLAB_HEADROOM, slabBytes, slabHashes } from '../stages/slab/slab-pool.js'
import { PinnedBuffer } from '../native/pinned-buffer.js'
import { localDecoder } from '../stages/decompress/decoder.js'
import { EagerDecoder, type TimedStep } from './eager-decoder.js'
import {
  packError,
  type Reply,
  type Request,
  type Results,
  type Started,
  type Task,
  type ThreadSetup,
  type DecodeTask,
} from './messages.js'
import type { OstreeTasks } from './ostree-tasks.js'
import { openThreadObjects } from './thread-objects.js'
import { yieldToMainThread } from './yield-to-main-thread.js'

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

const now = (): number => performance.timeOrigin + performance.now()

const decoders = new Map<number, EagerDecoder>()
/** Made once, as finding an address takes a call. */
const rooms = new Map<number, PinnedBuffer>()

function roomOf(slab: number): PinnedBuffer {
  const known = rooms.get(slab)
  if (known !== undefined) return known
  const room = PinnedBuffer.over(slabBytes(memory, slab).subarray(SLAB_HEADROOM))
  rooms.set(slab, room)
  return room
}

function decoderOf({ decoder, kind }: DecodeTask): EagerDecoder {
  const known = decoders.get(decoder)
  if (known !== undefined) return known
  const opened = new EagerDecoder(localDecoder(kind), now)
  decoders.set(decoder, opened)
  return opened
}

function decode(task: DecodeTask): TimedStep {
  const { slab, start, length } = task.input
  return decoderOf(task).step({
    begin: task.begin,
    input: roomOf(slab).bytes.subarray(start, start + length),
    output: roomOf(task.output.slab),
    at: task.output.at,
    next: task.next === undefined ? undefined : roomOf(task.next),
  })
}

type Result = Results[Task['type']]

function perform(task: Exclude<Task, DecodeTask>): Result | Promise<Result> {
  switch (task.type) {
    case 'store': {
      const { slab, batch } = task
      return storeBatch(store, { bytes: slabBytes(memory, slab), hashes: slabHashes(memory, slab) }, batch)
    }
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
    case 'close':
      decoders.get(task.decoder)?.close()
      decoders.delete(task.decoder)
      return undefined
    default:
      return (ostreeTasks ??= openOstreeTasks()).then((tasks) => tasks.perform(task))
  }
}

async function timed(task: Task): Promise<Omit<Reply, 'id'>> {
  const startedAt = now()
  try {
    if (task.type !== 'decode') return { result: await perform(task), startedAt, endedAt: now() }
    const { result, ...times } = decode(task)
    return { result: result(), ...times }
  } catch (error) {
    return { error: packError(error), startedAt, endedAt: now() }
  }
}

yieldToMainThread()

const port = parentPort!
type AcceptedRequest = NonNullable<Request>
/** Decoding goes first: a stream is decoded step by step, everything else can be done beside it. */
const decoding: AcceptedRequest[] = []
const others: AcceptedRequest[] = []
let isWorking = false
let isEnding = false

function accept(request: Request): void {
  if (request === null) isEnding = true
  else if (request.task.type === 'decode' || request.task.type === 'close') decoding.push(request)
  else others.push(request)
}

/** Does what was asked for, one task after the other, until there is nothing left; looks before each what has come meanwhile. */
async function work(): Promise<void> {
  for (;;) {
    for (let more = receiveMessageOnPort(port); more !== undefined; more = receiveMessageOnPort(port)) {
      accept(more.message as Request)
    }
    const eager = decoding.length === 0 ? [...decoders.values()].find(({ canGoOn }) => canGoOn) : undefined
    if (eager !== undefined) {
      eager.goOn()
      continue
    }
    const request = decoding.shift() ?? others.shift()
    if (request === undefined) return
    port.postMessage({ id: request.id, ...(await timed(request.task)) } satisfies Reply)
  }
}

port.on('message', (request: Request) => {
  accept(request)
  if (isWorking) return
  isWorking = true
  void work().finally(() => {
    isWorking = false
    if (!isEnding) return
    store.temporaries.end()
    port.close()
  })
})

port.postMessage('started' satisfies Started)
