/**
 * Objects that may be what a crash of the machine left: the rename was in the journal, the content not on the disk yet.
 * Such a file is empty, short, or (ext4, where the size gets ahead of the data) reads as zeros.
 *
 * It was written before this boot, and after everything that a barrier is known to have covered: a stream is linked only
 * when all that was written before its splitstream is on the disk (repository.md §2.9), whoever linked it. Modification
 * times tell, which neither a copy of the repository that preserves them nor a change of owners confuses. An object that is
 * another name of a file elsewhere has that file's: there the change time tells, which is when it got the name or a later one.
 *
 * Times to come are of a clock that was ahead, before this boot or not: such an object may be a leftover, and such a
 * stream covers nothing. Both cost only that what is there is stored again.
 *
 * The first pull after the crash can tell by this, and stores anew what it needs. A leftover that it does not need looks as
 * old as what is durable from then on, unless its size is wrong, until `gc` removes it.
 */
import { statSync, type Stats } from 'node:fs'
import { uptime } from 'node:os'
import { join } from 'node:path'
import { namesIn } from './names-in.js'

/** Milliseconds: of a server's file system, the clock may be ahead a little. */
const CLOCK_SKEW = 1000

export class CrashLeftovers {
  readonly #streams: string
  readonly #bootMs = Date.now() - uptime() * 1000
  #durableMs: number | undefined

  /** @param streams the directory of the streams. */
  constructor(streams: string) {
    this.#streams = streams
  }

  /** Whether the content of a file with these times may never have reached the disk. */
  mayHave({ mtimeMs, ctimeMs, nlink }: Pick<Stats, 'mtimeMs' | 'ctimeMs' | 'nlink'>): boolean {
    const storedMs = nlink > 1 ? ctimeMs : mtimeMs
    if (storedMs >= this.#bootMs && !isToCome(storedMs)) return false
    this.#durableMs ??= newestStream(this.#streams)
    return storedMs >= this.#durableMs
  }
}

const isToCome = (ms: number): boolean => ms > Date.now() + CLOCK_SKEW

/** When the youngest splitstream that has a name was written; 0 if there is none. */
function newestStream(directory: string): number {
  return namesIn(directory).reduce((newest, name) => {
    const stats = statSync(join(directory, name), { throwIfNoEntry: false })
    return stats?.isFile() === true && !isToCome(stats.mtimeMs) ? Math.max(newest, stats.mtimeMs) : newest
  }, 0)
}
