/** The tasks of a thread in pulls of ostree commits; loaded by the first of them, as it takes 16 ms. */
import type { OstreeId } from '../formats/ostree/ostree-id.js'
import type { ObjectStore } from '../repository/objects.js'
import { LocalFileReceiver, storeArchivedFiles } from '../stages/ostree/file-workers.js'
import { storeLocalFiles } from '../stages/ostree/store-local-files.js'
import type { OstreeTask, Results } from './messages.js'

/** The memory of a slab, and what it is filled with. */
export interface SlabViews {
  readonly whole: (slab: number) => Buffer
  readonly filled: (place: { readonly slab: number; readonly length: number }) => Buffer
}

type Result = Results[OstreeTask['type']]

export class OstreeTasks {
  readonly #store: ObjectStore
  readonly #slabs: SlabViews
  readonly #receivers = new Map<number, LocalFileReceiver>()

  constructor(store: ObjectStore, slabs: SlabViews) {
    this.#store = store
    this.#slabs = slabs
  }

  perform(task: OstreeTask): Result | Promise<Result> {
    switch (task.type) {
      case 'local-files':
        return storeLocalFiles(this.#store, task.repository, task.ids)
      case 'archived-files':
        return storeArchivedFiles(this.#store, this.#slabs.whole(task.slab), task.files)
      case 'file-piece':
        return this.#receiverOf(task).push(this.#slabs.filled(task))
      case 'file-end':
        return this.#takeReceiver(task.file)?.end()
      case 'file-abort':
        return this.#takeReceiver(task.file)?.abort()
    }
  }

  #receiverOf({ file, id }: { readonly file: number; readonly id: OstreeId }): LocalFileReceiver {
    const known = this.#receivers.get(file)
    if (known !== undefined) return known
    const receiver = new LocalFileReceiver(this.#store, id)
    this.#receivers.set(file, receiver)
    return receiver
  }

  #takeReceiver(file: number): LocalFileReceiver | undefined {
    const receiver = this.#receivers.get(file)
    this.#receivers.delete(file)
    return receiver
  }
}
