/** Removes what a plan says (repository.md §5.1). */
import { rmSync, unlinkSync } from 'node:fs'
import { errnoOf, ioError } from '../../errors.js'
import { displayByteString } from '../../formats/bytes.js'
import type { Breather } from '../../flow/breather.js'
import { rawPath } from '../../repository/link-listing.js'
import { removeEmptyPartsDirectory } from '../../repository/parts/part-files.js'
import type { Repository } from '../../repository/repository.js'
import type { SweepPlan } from './plan.js'

/**
 * Links go before objects, refs before entries, and those that lead elsewhere from now on are changed first: a run that is
 * killed leaves objects that nothing needs, never a link to an object that is gone. The caller holds the exclusive lock since before the plan was made.
 *
 * @param onRemoved called after every object with its size in bytes.
 */
export async function sweep(
  repository: Repository,
  plan: SweepPlan,
  breather: Breather,
  onRemoved: (size: number) => void,
): Promise<void> {
  for (const [name, id] of plan.displaced) repository.streams.link(name, id)
  for (const link of [...plan.links.images, ...plan.links.streams].toReversed()) {
    remove(rawPath(repository.path, link), displayByteString(link))
  }
  for (const { path, size } of plan.objects) {
    await breather.breathe()
    remove(`${repository.path}/${path}`, path)
    onRemoved(size)
  }
  for (const path of plan.leaks) removeLeak(`${repository.path}/${path}`, path)
  const { data, rest } = plan.parts
  for (const path of [...data.map(({ path }) => path), ...rest]) remove(`${repository.path}/${path}`, path)
  removeEmptyPartsDirectory(repository.path)
}

/** @param name relative to the repository, for errors. */
function remove(path: string | Buffer, name: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw ioError(error, `cannot remove ${name}`)
  }
}

/** It may be a directory, with files in it. */
function removeLeak(path: string, name: string): void {
  try {
    rmSync(path, { recursive: true, force: true })
  } catch (error) {
    throw ioError(error, `cannot remove ${name}`)
  }
}
