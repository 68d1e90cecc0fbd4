/** What lies in the repository. */
import { SluiceError } from '../../errors.js'
import { displayByteString } from '../../formats/bytes.js'
import type { Breather } from '../../flow/breather.js'
import type { Repository } from '../../repository/repository.js'
import type { DigestTable } from '../walk/digest-table.js'
import { forEachObjectDirectory, objectFilePath, objectSize } from '../walk/object-files.js'

/** Size of an object that is referred to and not there. */
export const MISSING = -1

/**
 * The size in bytes of every object by its number in `table`, where those get one that nothing refers to.
 *
 * @throws SluiceError `SLUICE_CORRUPT` if there is something among the objects that is none.
 */
export async function measureObjects(
  repository: Repository,
  table: DigestTable,
  breather: Breather,
): Promise<readonly number[]> {
  const sizes = Array.from({ length: table.size }, () => MISSING)
  await forEachObjectDirectory(repository, breather, (directory, names) => {
    for (const name of names) {
      const path = objectFilePath(directory, name)
      const number = table.addFile(directory, name)
      const size = number === undefined ? undefined : objectSize(repository, path)
      if (number === undefined || size === undefined) {
        throw new SluiceError('SLUICE_CORRUPT', `${displayByteString(path)} is not an object`, {
          hint: 'move it out of the repository',
        })
      }
      sizes[number] = size
    }
  })
  return sizes
}
