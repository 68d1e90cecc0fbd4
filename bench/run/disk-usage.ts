/** What a tree takes on its file system. */
import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Bytes of the blocks that are allocated to what lies in the folder; files with several names count once. */
export function allocatedBytes(folder: string): number {
  const seen = new Set<number>()
  let sum = 0
  const add = (path: string): void => {
    const stat = lstatSync(path)
    if (stat.nlink > 1 && !stat.isDirectory()) {
      if (seen.has(stat.ino)) return
      seen.add(stat.ino)
    }
    // st_blocks counts units of 512 bytes on every file system.
    sum += stat.blocks * 512
    if (stat.isDirectory()) for (const name of readdirSync(path)) add(join(path, name))
  }
  add(folder)
  return sum
}
