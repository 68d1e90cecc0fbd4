import type { ObjectStore } from '../../repository/objects.js'
import { FileBatch, type StoredFiles } from './file-batch.js'
import { Inflaters } from './inflaters.js'

/** Has `add` put files into a batch, and stores it; whatever becomes of it, its memory is given back. */
export async function storeInBatch(
  store: ObjectStore,
  add: (batch: FileBatch, inflaters: Inflaters) => Promise<void>,
): Promise<StoredFiles> {
  const batch = new FileBatch(store)
  const inflaters = new Inflaters()
  try {
    await add(batch, inflaters)
    return batch.finish()
  } catch (error) {
    batch.dispose()
    throw error
  } finally {
    inflaters.close()
  }
}
