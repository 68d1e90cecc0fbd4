/** Removes what a plan says (repository.md §5.1). */
import { unlinkSync } from 'node:fs'
import { errnoOf, ioError } from '../../errors.js'
import { displayByteString, utf8ByteString, type ByteString } from '../../formats/bytes.js'
import type { Breather } from '../../flow/breather.js'
import { rawPath } from '../../repository/link-listing.js'
import { removeEmptyPartsDirectory } from '../../repository/parts/part-files.js'
import type { Repository } from '../../repository/repository.js'
import type { SweepPlan } from './plan.js'

/**
 * Links go before objects, refs before entries: a run that is killed leaves objects that nothing needs, never a link to
 * an object that is gone. The caller holds the exclusive lock since before the plan was made.
 *
 * @param onRemoved called after every object with its size in bytes.
 */
export async function sweep(
  repository: Repository,
  plan: SweepPlan,
  breather: Breather,
  onRemoved: (size: number) => void,
): Promise<void> {
  for (const path of [...plan.links.images, ...plan.links.streams].toReversed()) remove(repository, path)
  for (const { path, size } of plan.objects) {
    await breather.breathe()
    remove(repository, utf8ByteString(path))
    onRemoved(size)
  }
  const { data, rest } = plan.parts
  for (const path of [...plan.leaks, ...data.map(({ path }) => path), ...rest]) remove(repository, utf8ByteString(path))
  removeEmptyPartsDirectory(repository.path)
}

function remove(repository: Repository, path: ByteString): void {
  try {
    unlinkSync(rawPath(repository.path, path))
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw ioError(error, `cannot remove ${displayByteString(path)}`)
  }
}
