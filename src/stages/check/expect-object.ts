/** Whether objects that something refers to are there. */
import { statSync } from 'node:fs'
import type { ObjectId } from '../../formats/digest.js'
import type { ObjectTable } from '../../formats/splitstream/read.js'
import type { Breather } from '../../flow/breather.js'
import { haveAllObjects } from '../../repository/object-presence.js'
import type { Repository } from '../../repository/repository.js'
import { reasonOf, type Findings, type Problem } from './findings.js'

/** Reports `problem` if the object is missing. @param where the referrer, as the error line has it. */
export function expectObject(
  repository: Repository,
  id: ObjectId,
  findings: Findings,
  problem: Problem,
  ...where: readonly string[]
): void {
  try {
    if (statSync(repository.objects.path(id), { throwIfNoEntry: false }) !== undefined) return
    findings.missingObjects++
    findings.error(problem, ...where, id)
  } catch (error) {
    findings.error('object-check-failed', where[0], id, reasonOf(error))
  }
}

/** As `expectObject` for each object of a table; most often all are there, which is seen faster. */
export async function expectObjects(
  repository: Repository,
  table: ObjectTable,
  findings: Findings,
  problem: Problem,
  path: string,
  breather: Breather,
): Promise<void> {
  if (haveAllObjects(repository.objects, [table])[0]) return
  for (const id of table) {
    await breather.breathe()
    expectObject(repository, id, findings, problem, path)
  }
}
