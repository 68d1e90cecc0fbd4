/** Does what a plan says. */
import { unlinkSync } from 'node:fs'
import { errnoOf, ioError } from '../../errors.js'
import { displayByteString, type ByteString } from '../../formats/bytes.js'
import type { Breather } from '../../flow/breather.js'
import { rawPath } from '../../repository/link-listing.js'
import type { Repository } from '../../repository/repository.js'
import type { RepairPlan } from './plan.js'
import { setAside, type MovedFile } from './set-aside.js'

/**
 * A run that is killed leaves a repository that the next one finishes, with the same result.
 *
 * Objects first: without them a pull sees that its layer lacks something; a damaged one that still lies in its place would
 * be taken for the one that it fetches. Tags last: as long as one is there, the next run can tell what has to be pulled
 * again, and `gc` refuses to collect the layers that are whole. Between the two everything goes to the disk, so that a
 * power failure does not turn the order round.
 */
export async function repair(repository: Repository, plan: RepairPlan, breather: Breather): Promise<MovedFile[]> {
  const moved: MovedFile[] = []
  for (const misfit of plan.aside) {
    await breather.breathe()
    const file = setAside(repository.path, misfit)
    if (file !== undefined) moved.push(file)
  }
  await repository.sync()
  for (const path of plan.links) remove(repository, path)
  await repository.sync()
  for (const { path } of plan.tags) remove(repository, path)
  return moved
}

function remove(repository: Repository, path: ByteString): void {
  try {
    unlinkSync(rawPath(repository.path, path))
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw ioError(error, `cannot remove ${displayByteString(path)}`)
  }
}
