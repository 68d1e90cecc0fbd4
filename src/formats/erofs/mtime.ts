/** Order of times (erofs.md §3.3). */
import type { Stat } from '../tree/tree.js'
import type { Dialect } from './format.js'

export type Mtime = Readonly<Pick<Stat, 'mtime' | 'mtimeNsec'>>

/** The Rust writer compares seconds without their sign: a time before 1970 is later than all others. */
export function isOlder(a: Mtime, b: Mtime, dialect: Dialect): boolean {
  if (a.mtime === b.mtime) return a.mtimeNsec < b.mtimeNsec
  if (dialect === 'rust' && a.mtime < 0n !== b.mtime < 0n) return b.mtime < 0n
  return a.mtime < b.mtime
}
