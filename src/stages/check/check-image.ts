/** Whether an EROFS image is sound and the objects of its files are there (repository.md §6, erofs.md §10.4, §10.6). */
import { SluiceError } from '../../errors.js'
import type { ObjectId } from '../../formats/digest.js'
import { listErofsObjects } from '../../formats/erofs/list-objects.js'
import { openErofs } from '../../formats/erofs/open.js'
import { ObjectTable } from '../../formats/splitstream/read.js'
import type { Breather } from '../../flow/breather.js'
import type { Repository } from '../../repository/repository.js'
import { MAX_IMAGE_SIZE } from '../../formats/erofs/format.js'
import type { ContentCheck } from './check-links.js'
import { expectObjects } from './expect-object.js'
import { reasonOf, type Findings, type Problem } from './findings.js'

export function imageCheck(repository: Repository, breather: Breather): ContentCheck {
  return async (path, id, findings) => {
    const ids = listObjects(repository, path, id, findings)
    const table = ObjectTable.of(ids, repository.algorithm)
    await expectObjects(repository, table, findings, 'image-missing-object', path, breather)
  }
}

/** None if the image cannot be read, which has been reported then. */
function listObjects(
  repository: Repository,
  path: string,
  id: ObjectId | 'no file' | undefined,
  findings: Findings,
): readonly ObjectId[] {
  try {
    if (id === 'no file') throw new SluiceError('SLUICE_IO', 'not a file')
    if (id === undefined) throw new SluiceError('SLUICE_FORMAT', 'not an object')
    return listErofsObjects(openErofs(repository.objects.read(id, MAX_IMAGE_SIZE)), repository.algorithm)
  } catch (error) {
    findings.corrupted++
    findings.error(problemOf(error), path, reasonOf(error))
    return []
  }
}

function problemOf(error: unknown): Problem {
  const code = error instanceof SluiceError ? error.code : undefined
  if (code === 'SLUICE_FORMAT') return 'image-invalid'
  return code === 'SLUICE_CORRUPT' ? 'image-open-failed' : 'image-read-failed'
}
