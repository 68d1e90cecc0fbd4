/** The reference's repository of the golden vectors, and the ways in which its scenarios damage it. */
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { libcAvailable } from '../../src/native/libc.js'
import { temporaryDirectory } from './temporary.js'
import { readJsonVector, vectorPath } from './vectors.js'

export type Mutation =
  | ['unlink' | 'rmtree' | 'mkdir', path: string]
  | ['symlink', path: string, target: string]
  | ['write' | 'append', path: string, hex: string]
  | ['truncate', path: string, length: number]

export interface FsckJson {
  ok: boolean
  errors: string[]
}

export interface Scenario {
  name: string
  mutations: Mutation[]
  gc_args: string[]
  fsck_json: FsckJson
  fsck_metadata_only: FsckJson
  oci_fsck: FsckJson & { repo: FsckJson }
  gc_dry_run: { exit: number; stdout: string }
  gc: { exit: number; stdout?: string; removed?: string[] }
  meta_json_after?: string
}

export interface Scenarios {
  repo: string
  root_dir_in_tar: string
  image_objects: Record<string, string[]>
  scenarios: Scenario[]
}

export function readScenarios(): Scenarios {
  return readJsonVector<Scenarios>('repository', 'scenarios.json')
}

/** Whether to skip a scenario where there is no native code: an upgrade asks whether an object has fs-verity. */
export function needsNative({ meta_json_after: upgraded }: Scenario): { skip: string | false } {
  const skip = upgraded !== undefined && !libcAvailable()
  return { skip: skip && 'there is no native code here, or SLUICE_NATIVE=off' }
}

/** Unpacks the repository, damages it, and gives its path. */
export function unpackScenario(t: TestContext, mutations: readonly Mutation[] = []): string {
  const directory = temporaryDirectory(t)
  execFileSync('tar', ['-xzf', vectorPath('repository', 'repo.tar.gz'), '--no-same-owner', '-C', directory])
  const root = join(directory, 'repo')
  for (const mutation of mutations) mutate(root, mutation)
  return root
}

function mutate(root: string, [kind, name, argument]: Mutation): void {
  const path = join(root, name)
  switch (kind) {
    case 'unlink':
      return rmSync(path)
    case 'rmtree':
      return rmSync(path, { recursive: true })
    case 'mkdir':
      mkdirSync(path)
      return
    case 'symlink':
      return symlinkSync(argument, path)
    case 'write':
      mkdirSync(join(path, '..'), { recursive: true })
      return writeFileSync(path, Buffer.from(argument, 'hex'))
    case 'append':
      return appendFileSync(path, Buffer.from(argument, 'hex'))
    case 'truncate':
      return truncateSync(path, argument)
  }
}

/** Paths of everything but directories below `root`, sorted. */
export function listFiles(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => lstatSync(join(root, path), { throwIfNoEntry: false })?.isDirectory() !== true)
    .sort()
}
