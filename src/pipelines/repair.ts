/**
 * `fsck --repair`: check → plan → repair → look again.
 *
 * Damaged objects are moved aside and what needs them leaves the index, so that a pull brings back just that. All of it
 * happens under the exclusive lock, and nothing before the whole check is done.
 */
import type { Observable } from 'rxjs'
import { Breather } from '../flow/breather.js'
import { coldFrom } from '../flow/cold.js'
import { resultOf } from '../flow/result-of.js'
import { displayByteString, utf8ByteString } from '../formats/bytes.js'
import { refOfStreamRefName } from '../formats/ostree/ref-name.js'
import type { Repository } from '../repository/repository.js'
import { Findings } from '../stages/check/findings.js'
import type { DamagedObject } from '../stages/check/object-checker.js'
import { planRepair, type RepairPlan } from '../stages/repair/plan.js'
import { repair } from '../stages/repair/repair.js'
import type { MovedFile } from '../stages/repair/set-aside.js'
import { examine, type Examination, type FsckEvent, type FsckOptions, type FsckResult } from './fsck.js'

export type RepairOptions = Omit<FsckOptions, 'metadataOnly'>

export interface LostImage {
  readonly tag: string
  readonly manifestDigest: string
}

/** Paths are relative to the repository. */
export interface RepairResult {
  /** What the check found before anything was done. */
  readonly check: FsckResult
  /** Damaged objects, and what lay where it does not belong. */
  readonly moved: readonly MovedFile[]
  readonly linksRemoved: readonly string[]
  /** Images to pull again: they have lost their tag. */
  readonly pullAgain: readonly LostImage[]
  /** Refs of ostree that are lost likewise. */
  readonly pullCommitsAgain: readonly string[]
  /** Error lines of what a repair does not help against. */
  readonly remaining: readonly string[]
}

/** Checks and repairs a repository. Subscribing starts; unsubscribing stops between two steps, and the next run goes on. */
export function repairingFsck(
  repository: Repository,
  options: RepairOptions = {},
): Observable<FsckEvent<RepairResult>> {
  return coldFrom<FsckEvent<RepairResult>>(async (emit, signal) => {
    repository.ensureWritable()
    await repository.exclusively(async () => {
      const breather = new Breather(signal)
      const found = await examine(repository, options, emit, signal)
      const plan = await planRepair(repository, found, breather)
      if (isEmpty(plan)) return emit({ type: 'completed', result: summarise(found, plan, [], found) })
      const moved = await repair(repository, plan, breather)
      // Images whose layers have lost their links by this are not whole any more.
      const rest = await planRepair(repository, { objects: [], wrongStreams: [] }, breather)
      moved.push(...(await repair(repository, rest, breather)))
      const after = await examine(repository, { metadataOnly: true }, emit, signal)
      emit({ type: 'completed', result: summarise(found, joined(plan, rest), moved, after) })
    }, signal)
  }, options.signal)
}

/** The promise form of `repairingFsck`. */
export async function repairRepository(repository: Repository, options?: RepairOptions): Promise<RepairResult> {
  return resultOf(repairingFsck(repository, options), 'check')
}

function isEmpty({ aside, links, tags }: RepairPlan): boolean {
  return aside.length + links.length + tags.length === 0
}

function joined(one: RepairPlan, other: RepairPlan): RepairPlan {
  return {
    aside: [...one.aside, ...other.aside],
    links: [...one.links, ...other.links],
    tags: [...one.tags, ...other.tags],
  }
}

const STREAM_REFS = 'streams/refs/'

/** The ref of ostree that a link was. */
function ostreeRefOf(path: string): string | undefined {
  return path.startsWith(STREAM_REFS) ? refOfStreamRefName(path.slice(STREAM_REFS.length)) : undefined
}

function summarise(
  found: Examination,
  { links, tags }: RepairPlan,
  moved: readonly MovedFile[],
  after: Examination,
): RepairResult {
  const movedPaths = new Set(moved.map(({ path }) => path))
  // Those whose name is no text cannot be named; and what was there before the second look is not looked at again.
  const stuck = found.objects.filter(({ path }) => !movedPaths.has(displayByteString(utf8ByteString(path))))
  return {
    check: found.result,
    moved,
    linksRemoved: [...links, ...tags.map(({ path }) => path)].map(displayByteString),
    pullAgain: tags.map(({ name, digest }) => ({ tag: name, manifestDigest: digest })),
    pullCommitsAgain: links.flatMap((path) => ostreeRefOf(displayByteString(path)) ?? []),
    remaining: after === found ? found.result.errors : [...linesOf(stuck), ...after.result.errors],
  }
}

function linesOf(objects: readonly DamagedObject[]): string[] {
  const findings = new Findings()
  for (const { problem, parts } of objects) findings.error(problem, ...parts)
  return findings.errors
}
