/** What a stream or an image of a repository refers to (repository.md §5.1). */
import { withContext } from '../../errors.js'
import { displayByteString, type ByteString } from '../../formats/bytes.js'
import type { ObjectId } from '../../formats/digest.js'
import { listErofsObjects } from '../../formats/erofs/list-objects.js'
import { openErofs } from '../../formats/erofs/open.js'
import type { Splitstream } from '../../formats/splitstream/read.js'
import type { Repository } from '../../repository/repository.js'
import { MAX_IMAGE_SIZE } from '../../formats/erofs/format.js'

/** The tables of a splitstream. @param name as it is linked in `streams/`, for errors. */
export function readStream(repository: Repository, id: ObjectId, name: ByteString): Splitstream {
  const stream = repository.openStreamObject(id, `stream ${displayByteString(name)}`)
  stream.close()
  return stream
}

/** The objects of the files of an image, sorted. */
export function readImage(repository: Repository, id: ObjectId): ObjectId[] {
  try {
    return listErofsObjects(openErofs(repository.objects.read(id, MAX_IMAGE_SIZE)), repository.algorithm)
  } catch (error) {
    throw withContext(error, `image ${id}`)
  }
}
