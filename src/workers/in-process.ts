/** The work on slabs in this thread: for one core, where other threads would only take turns with this one. */
import { createHash } from 'node:crypto'
import type { ObjectStore } from '../repository/objects.js'
import { localDecoder } from '../stages/decompress/decoder.js'
import { storeBatch } from '../stages/object/object-batch.js'
import type { FillFromFiles } from '../stages/slab/fill-from-files.js'
import type { FileWorkers } from '../stages/ostree/file-workers.js'
import type { SlabDigest, SlabWorkers, WorkKind } from '../stages/slab/slab-workers.js'
import type { OnTask } from './thread-pool.js'

/** Takes 16 ms, and only pulls of commits need it. */
const loadFileWorkers = () => import('../stages/ostree/file-workers.js')

export function inProcessWorkers(store: ObjectStore, onTask: OnTask): SlabWorkers & FileWorkers {
  /** A failure is a rejection, as from a thread. */
  const attempt = async <Result>(kind: WorkKind, work: () => Result | Promise<Result>): Promise<Result> => {
    const start = performance.now()
    try {
      return await work()
    } finally {
      onTask(kind, 'main thread', start, performance.now())
    }
  }
  let fileFiller: Promise<FillFromFiles> | undefined
  return {
    store: (slab, batch) => attempt('object', () => storeBatch(store, slab, batch)),
    fill: async (slab, parts) => {
      fileFiller ??= import('../stages/slab/fill-from-files.js').then(({ fileFiller }) => fileFiller(store))
      const fill = await fileFiller
      return attempt('object', () => fill(slab.bytes, parts))
    },
    digest: (algorithm): SlabDigest => {
      const hash = createHash(algorithm)
      return {
        update: (slab) => attempt('digest', () => void hash.update(slab.filled)),
        digest: () => attempt('digest', () => hash.digest('hex')),
        abort: () => undefined,
      }
    },
    decoder: localDecoder,
    localFiles: async (repository, ids) => {
      const { storeLocalFiles } = await import('../stages/ostree/store-local-files.js')
      return attempt('object', () => storeLocalFiles(store, repository, ids))
    },
    archivedFiles: async (slab, files) => {
      const { storeArchivedFiles } = await loadFileWorkers()
      return attempt('object', () => storeArchivedFiles(store, slab.bytes, files))
    },
    archivedFile: (id) => {
      const receiver = loadFileWorkers().then(({ LocalFileReceiver }) => new LocalFileReceiver(store, id))
      return {
        push: async (slab) => {
          const loaded = await receiver
          return attempt('object', () => loaded.push(slab.filled))
        },
        end: async () => {
          const loaded = await receiver
          return attempt('object', () => loaded.end())
        },
        abort: () => void receiver.then((loaded) => loaded.abort()),
      }
    },
  }
}
