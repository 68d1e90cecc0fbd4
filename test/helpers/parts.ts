/** Looking at, and making, what an interrupted pull leaves in a repository. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Digest } from '../../src/formats/digest.js'
import { PARTS_DIRECTORY, partPaths } from '../../src/repository/parts/part-files.js'
import type { Repository } from '../../src/repository/repository.js'

/** Names in the private directory; undefined if it is not there. */
export function partNames({ path }: Repository): string[] | undefined {
  if (!existsSync(join(path, dirname(PARTS_DIRECTORY)))) return undefined
  return readdirSync(join(path, PARTS_DIRECTORY)).sort()
}

export function readPart({ path }: Repository, digest: string): Buffer {
  return readFileSync(partPaths(path, digest as Digest).data)
}

export function readPartJournal({ path }: Repository, digest: string): Record<string, unknown> {
  return JSON.parse(readFileSync(partPaths(path, digest as Digest).journal, 'utf8')) as Record<string, unknown>
}

/** Puts a part there as an earlier run would have left it. */
export function plantPart({ path }: Repository, digest: string, bytes: Uint8Array, journal?: string): void {
  const paths = partPaths(path, digest as Digest)
  mkdirSync(dirname(paths.data), { recursive: true })
  writeFileSync(paths.data, bytes)
  if (journal !== undefined) writeFileSync(paths.journal, journal)
}
