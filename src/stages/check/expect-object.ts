/** Whether an object that something refers to is there. */
import { statSync } from 'node:fs'
import type { ObjectId } from '../../formats/digest.js'
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
