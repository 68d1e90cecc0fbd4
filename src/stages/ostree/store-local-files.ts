/** Files of a repository in a directory into the object store: the work of a thread on one batch. */
import { closeSync } from 'node:fs'
import { withContext } from '../../errors.js'
import type { OstreeId } from '../../formats/ostree/ostree-id.js'
import type { ObjectStore } from '../../repository/objects.js'
import { ArchiveFileReader } from './archive-file.js'
import { BareFile, openFile, readPieces } from './bare-file.js'
import type { FileBatch, StoredFiles } from './file-batch.js'
import { writeFileHeaders } from './file-headers.js'
import type { Inflaters } from './inflaters.js'
import { localFileHeader } from './local-header.js'
import { storeInBatch } from './store-in-batch.js'
import { findLocalObject, type LocalObject, type LocalRepository } from './local-repository.js'

const READ_BYTES = 1024 * 1024
/** Of batches that have ended. */
const buffers: Buffer[] = []

/** @throws SluiceError naming the file that is missing, damaged or not what its id says. */
export async function storeLocalFiles(
  store: ObjectStore,
  repository: LocalRepository,
  ids: readonly OstreeId[],
): Promise<StoredFiles> {
  const buffer = buffers.pop() ?? Buffer.allocUnsafeSlow(READ_BYTES)
  try {
    return await storeInBatch(store, async (batch, inflaters) => {
      for (const id of ids) {
        const object = findLocalObject(repository, id, 'file')
        try {
          if (object.mode === 'archive') await storeArchiveFile(batch, object, id, inflaters, buffer)
          else storeBareFile(batch, object, repository, id, buffer)
        } catch (error) {
          throw withContext(error, object.path)
        }
      }
    })
  } finally {
    buffers.push(buffer)
  }
}

async function storeArchiveFile(
  batch: FileBatch,
  { path, stats }: LocalObject,
  id: OstreeId,
  inflaters: Inflaters,
  buffer: Buffer,
): Promise<void> {
  const reader = new ArchiveFileReader(inflaters, (headers) => batch.open(id, headers))
  const fd = openFile(path)
  try {
    for (const piece of readPieces(fd, buffer)) {
      const pending = piece.length === stats.size ? reader.takeWhole(piece) : reader.push(piece)
      if (pending !== undefined) await pending
      if (reader.complete) break
    }
    const ending = reader.end()
    if (ending !== undefined) await ending
  } catch (error) {
    reader.abort()
    throw error
  } finally {
    closeSync(fd)
  }
}

function storeBareFile(
  batch: FileBatch,
  object: LocalObject,
  repository: LocalRepository,
  id: OstreeId,
  buffer: Buffer,
): void {
  const header = localFileHeader(object, repository, id)
  const headers = writeFileHeaders(header)
  const file = headers.isSymlink ? undefined : new BareFile(object.path)
  const content = batch.open(id, headers, file)
  try {
    for (const piece of file?.pieces(buffer) ?? []) content.write(piece)
    content.end()
  } catch (error) {
    content.abort()
    throw error
  }
}
