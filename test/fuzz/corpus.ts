/** Inputs to begin from: the seeds of this directory, and the vectors where they are at hand. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { hasVector, projectRoot, vectorPath } from '../helpers/vectors.js'

/** Larger files make slow inputs, and say nothing that smaller ones do not. */
const MAX_SEED = 64 * 1024

const seedRoot = join(projectRoot, 'test/fuzz/seeds')

function readSeed(path: string): Buffer {
  const bytes = readFileSync(path)
  return path.endsWith('.gz') ? gunzipSync(bytes) : bytes
}

function filesBelow(directory: string, pattern: RegExp): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => pattern.test(name))
    .sort()
    .map((name) => join(directory, name))
}

/** The committed seeds of a target, and the vectors below `directories` whose path fits `pattern`. */
export function readSeeds(
  target: string,
  directories: readonly string[] = [],
  pattern = /./,
  unpack: (bytes: Buffer) => Buffer = (bytes) => bytes,
): Buffer[] {
  const seeds = filesBelow(join(seedRoot, target), /\.\w+$/).map(readSeed)
  const vectors =
    process.env['SLUICE_FUZZ_VECTORS'] === 'off'
      ? []
      : directories
          .filter((directory) => hasVector(directory))
          .flatMap((directory) => filesBelow(vectorPath(directory), pattern))
          .map((path) => unpack(readSeed(path)))
  return [...seeds, ...vectors].filter(({ length }) => length <= MAX_SEED)
}
