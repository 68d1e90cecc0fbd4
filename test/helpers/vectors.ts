/** Where golden vectors are: SLUICE_VECTORS, the shared set beside the checkout, else the subset committed here. */
import { existsSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The checkout; compiled tests live in dist/test/helpers. */
export const projectRoot = fileURLToPath(new URL('../../..', import.meta.url))

const candidates = [
  process.env['SLUICE_VECTORS'],
  join(projectRoot, '../shared/vectors'),
  join(projectRoot, 'test/vectors'),
].filter((path): path is string => path !== undefined && path !== '')

export const vectorsRoot = candidates.find((path) => existsSync(path)) ?? join(projectRoot, 'test/vectors')

export function vectorPath(...parts: string[]): string {
  return join(vectorsRoot, ...parts)
}

/** Whether the set at hand has this file: the committed subset leaves some out. */
export function hasVector(...parts: string[]): boolean {
  return existsSync(vectorPath(...parts))
}

/** The bytes of a vector; a name in `.gz` is unpacked. */
export function readVector(...parts: string[]): Buffer {
  const bytes = readFileSync(vectorPath(...parts))
  return parts.at(-1)?.endsWith('.gz') === true && !parts.at(-1)?.endsWith('.tar.gz') ? gunzipSync(bytes) : bytes
}

export function readJsonVector<T>(...parts: string[]): T {
  return JSON.parse(readVector(...parts).toString('utf8')) as T
}
