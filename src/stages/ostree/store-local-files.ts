/** Files of a repository in a directory into the object store: the work of a thread on one batch. */
import { closeSync } from 'node:fs'
import { withContext } from '../../errors.js'
import { isSymlink, writeSizedZlibHeader } from '../../formats/ostree/file-header.js'
import type { OstreeId } from '../../formats/ostree/ostree-id.js'
import type { ObjectStore } from '../../repository/objects.js'
import { ArchiveFileReader } from './archive-file.js'
import { BareFile, openFile, readPieces } from './bare-file.js'
import { FileBatch, type StoredFiles } from './file-batch.js'
import { localFileHeader } from './local-header.js'
import { findLocalObject, type LocalObject, type LocalRepository } from './local-repository.js'
import { rawInflater, type RawInflater } from './raw-inflater.js'

const READ_BYTES = 256 * 1024

/** @throws SluiceError naming the file that is missing, damaged or not what its id says. */
export async function storeLocalFiles(
  store: ObjectStore,
  repository: LocalRepository,
  ids: readonly OstreeId[],
): Promise<StoredFiles> {
  const batch = new FileBatch(store)
  const inflater = rawInflater()
  const buffer = Buffer.allocUnsafe(READ_BYTES)
  try {
    for (const id of ids) {
      const object = findLocalObject(repository, id, 'file')
      try {
        if (object.mode === 'archive') await storeArchiveFile(batch, object, id, inflater, buffer)
        else storeBareFile(batch, object, repository, id, buffer)
      } catch (error) {
        throw withContext(error, object.path)
      }
    }
    return batch.finish()
  } catch (error) {
    batch.dispose()
    throw error
  }
}

async function storeArchiveFile(
  batch: FileBatch,
  { path }: LocalObject,
  id: OstreeId,
  inflater: RawInflater,
  buffer: Buffer,
): Promise<void> {
  const reader = new ArchiveFileReader(inflater, (header) => batch.open(id, header))
  const fd = openFile(path)
  try {
    for (const piece of readPieces(fd, buffer)) {
      const pending = reader.push(piece)
      if (pending !== undefined) await pending
      if (reader.complete) break
    }
    reader.end()
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
  const file = isSymlink(header) ? undefined : new BareFile(object.path)
  const content = batch.open(id, { header, bytes: writeSizedZlibHeader(header) }, file)
  try {
    for (const piece of file?.pieces(buffer) ?? []) content.write(piece)
    content.end()
  } catch (error) {
    content.abort()
    throw error
  }
}
