/** The work on slabs in this thread: for one core, where other threads would only take turns with this one. */
import { createHash } from 'node:crypto'
import type { ObjectStore } from '../repository/objects.js'
import { localDecoder } from '../stages/decompress/decoder.js'
import { storeBatch } from '../stages/object/object-batch.js'
import { LocalFileReceiver, storeArchivedFiles, type FileWorkers } from '../stages/ostree/file-workers.js'
import { storeLocalFiles } from '../stages/ostree/store-local-files.js'
import type { SlabDigest, SlabWorkers, WorkKind } from '../stages/slab/slab-workers.js'
import type { OnTask } from './thread-pool.js'

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
  return {
    store: (slab, batch) => attempt('object', () => storeBatch(store, slab.bytes, batch)),
    digest: (algorithm): SlabDigest => {
      const hash = createHash(algorithm)
      return {
        update: (slab) => attempt('digest', () => void hash.update(slab.filled)),
        digest: () => attempt('digest', () => hash.digest('hex')),
        abort: () => undefined,
      }
    },
    decoder: localDecoder,
    localFiles: (repository, ids) => attempt('object', () => storeLocalFiles(store, repository, ids)),
    archivedFiles: (slab, files) => attempt('object', () => storeArchivedFiles(store, slab.bytes, files)),
    archivedFile: (id) => {
      const receiver = new LocalFileReceiver(store, id)
      return {
        push: (slab) => attempt('object', () => receiver.push(slab.filled)),
        end: () => attempt('object', () => receiver.end()),
        abort: () => receiver.abort(),
      }
    },
  }
}
