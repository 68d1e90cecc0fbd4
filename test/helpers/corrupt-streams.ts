/** The hand-made splitstreams of the golden vectors, each as the only stream of a repository (vectors/repository/corrupt.json). */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { TestContext } from 'node:test'
import { objectPath, type ObjectId } from '../../src/formats/digest.js'
import { verityDigest } from '../../src/formats/verity/digest.js'
import type { Repository } from '../../src/repository/repository.js'
import { temporaryRepository } from './temporary.js'
import { readJsonVector, readVector } from './vectors.js'

export interface CorruptCase {
  file: string
  header_and_refs_accepted: boolean
  fsck: { ok?: boolean; streams_corrupted?: number; missing_objects?: number; errors?: string[] }
  gc_dry_run_exit: number
}

interface CorruptVectors {
  external_object_hex: string
  cases: CorruptCase[]
}

const read = () => readJsonVector<CorruptVectors>('repository', 'corrupt.json')

export function corruptCases(): CorruptCase[] {
  return read().cases
}

/** An open repository in which `streams/test` is the file, with a ref to it; closed when the test ends. */
export async function corruptRepository(t: TestContext, { file }: CorruptCase): Promise<Repository> {
  const repository = await temporaryRepository(t)
  plant(repository, Buffer.from(read().external_object_hex, 'hex'))
  const id = plant(repository, readVector('repository', file))
  mkdirSync(`${repository.path}/streams/refs`, { recursive: true })
  symlinkSync(`../objects/${objectPath(id)}`, `${repository.path}/streams/test`)
  symlinkSync('../test', `${repository.path}/streams/refs/keep`)
  return repository
}

function plant(repository: Repository, bytes: Uint8Array): ObjectId {
  const id = verityDigest(repository.algorithm, bytes)
  mkdirSync(dirname(repository.objects.path(id)), { recursive: true })
  writeFileSync(repository.objects.path(id), bytes)
  return id
}
