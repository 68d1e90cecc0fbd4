/**
 * Every call that touches the repository fails, from the first to the last, in commands that write: each ends with success
 * or a clear error, nothing in the repository is wrong or lost, and the next run completes it with the same ids.
 *
 * Each call of a pull fails in one way, and a part of those of other commands; which, changes from time to time.
 * `SLUICE_FAULTS=all` takes every call in every way, which is some 5,000 runs and takes half an hour.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { before, test, type TestContext } from 'node:test'
import { parseDigest } from '../../src/formats/digest.js'
import { runAll } from '../../src/flow/run-all.js'
import { collectGarbage } from '../../src/pipelines/gc.js'
import { tagImage, untagImage } from '../../src/pipelines/oci-images.js'
import type { Repository } from '../../src/repository/repository.js'
import {
  assertCollectsTo,
  assertSound,
  contentOf,
  emptyRepository,
  pullLayout,
  smallLayout,
  unfinishedIn,
  withRepository,
} from '../helpers/faults-repository.js'
import { cores, faultModes, FaultShim, shimNeeds, type Fault } from '../helpers/faults-shim.js'
import type { OciLayout } from '../helpers/system-images.js'
import { missingForSluice, scratchFolder, type RunResult } from '../helpers/system-run.js'

const takesAll = process.env['SLUICE_FAULTS'] === 'all'
/** Which calls and ways it is this time. */
const turn = Math.floor(Math.random() * 1000)
const skip = missingForSluice(...shimNeeds)
const folder = scratchFolder('syscalls')
let shim: FaultShim
let layout: OciLayout
/** Repositories to begin with: an empty one, one with an image, one with two images and garbage. */
const origin = { empty: join(folder, 'empty'), pulled: join(folder, 'pulled'), littered: join(folder, 'littered') }

before(async () => {
  if (skip !== false) return
  shim = await FaultShim.compile(folder)
  layout = await smallLayout(join(folder, 'layout'))
  await emptyRepository(origin.empty)
  cpSync(origin.empty, origin.pulled, { recursive: true, verbatimSymlinks: true })
  await withRepository(origin.pulled, async (repository) => {
    await pullLayout(repository, layout, 'v1')
    await collectGarbage(repository)
  })
  cpSync(origin.pulled, origin.littered, { recursive: true, verbatimSymlinks: true })
  await withRepository(origin.littered, async (repository) => {
    await pullLayout(repository, layout, 'v2')
    untagImage(repository, 'v1')
  })
})

interface Scenario {
  readonly name: string
  readonly from: keyof typeof origin
  readonly args: () => readonly string[]
  /** Runs the command again, undisturbed. */
  readonly again: (repository: Repository) => unknown
  /** One of so many calls fails. */
  readonly every: number
}

const digestOf = (tag: string) => parseDigest(layout.find(tag).digest)
const pull = (tag: string) => ['pull', '--jobs', '1', layout.reference(tag), tag]

const firstPull: Scenario = {
  name: 'pull',
  from: 'empty',
  args: () => pull('v1'),
  again: (repository) => pullLayout(repository, layout, 'v1'),
  every: 1,
}

const pullBesideGarbage: Scenario = { ...firstPull, name: 'pull of what is garbage', from: 'littered' }

const scenarios: readonly Scenario[] = [
  firstPull,
  {
    name: 'pull of an image that shares a layer with another one',
    from: 'pulled',
    args: () => pull('v2'),
    again: (repository) => pullLayout(repository, layout, 'v2'),
    every: 6,
  },
  {
    name: 'oci tag',
    from: 'pulled',
    args: () => ['oci', 'tag', digestOf('v1'), 'more/than one'],
    again: (repository) => tagImage(repository, digestOf('v1'), 'more/than one'),
    every: 2,
  },
  {
    name: 'oci tag in the place of another',
    from: 'littered',
    args: () => ['oci', 'tag', digestOf('v1'), 'v2'],
    again: (repository) => tagImage(repository, digestOf('v1'), 'v2'),
    every: 2,
  },
  {
    name: 'oci untag',
    from: 'pulled',
    args: () => ['oci', 'untag', 'v1'],
    again: (repository) => repository.streams.unlinkRef('oci/v1'),
    every: 2,
  },
  // It looks into each of the 256 directories of objects.
  { name: 'gc', from: 'littered', args: () => ['gc'], again: (repository) => collectGarbage(repository), every: 16 },
]

for (const scenario of scenarios) {
  test(`${scenario.name}: every call fails`, { skip }, async (t) => {
    const { calls, expected } = await undisturbed(scenario, cores()[0])
    const points = calls.map((_, i) => i + 1).filter((at) => takesAll || (at + turn) % scenario.every === 0)
    const faults = points.flatMap(faultsAt)
    await runFaults(t, scenario, faults, async (fault, repo, when) => {
      const core = cores()[fault.at % cores().length]
      const result = await shim.run({ repo, args: scenario.args(), fault, core })
      const call = calls[fault.at - 1]
      assertSpeaksPlainly(result, fault, call, `${when}, ${call}`)
      if (result.status !== null) assertLeavesNothing(repo, fault, call, `${when}, ${call}`)
      await assertRecovers(repo, scenario, expected, `${when}, ${call}`)
    })
  })
}

test('pull with threads: calls fail at random', { skip }, async (t) => {
  const { calls, expected } = await undisturbed(firstPull)
  await runFaults(t, firstPull, randomFaults(calls), async (fault, repo, when) => {
    const result = await shim.run({ repo, args: firstPull.args(), fault })
    assertSpeaksPlainly(result, fault, undefined, when)
    await assertRecovers(repo, firstPull, expected, when)
  })
})

test('two pulls at once: calls of one fail at random', { skip }, async (t) => {
  const { calls, expected } = await undisturbed(firstPull)
  await runFaults(t, firstPull, randomFaults(calls), async (fault, repo, when) => {
    const args = firstPull.args()
    const [result, other] = await Promise.all([shim.run({ repo, args, fault }), shim.run({ repo, args })])
    assert.equal(other.status, 0, `${when}: the other pull: ${other.stderr}`)
    assertSpeaksPlainly(result, fault, undefined, when)
    await assertRecovers(repo, firstPull, expected, when)
  })
})

test('pull beside gc: calls of the pull fail at random', { skip }, async (t) => {
  const { calls, expected } = await undisturbed(pullBesideGarbage)
  await runFaults(t, pullBesideGarbage, randomFaults(calls), async (fault, repo, when) => {
    const args = pullBesideGarbage.args()
    const [result, gc] = await Promise.all([shim.run({ repo, args, fault }), shim.run({ repo, args: ['gc'] })])
    assert.equal(gc.status, 0, `${when}: gc: ${gc.stderr}`)
    assertSpeaksPlainly(result, fault, undefined, when)
    await assertRecovers(repo, pullBesideGarbage, expected, when)
  })
})

function newRepository({ from }: Scenario): string {
  const repo = join(folder, `repo-${randomBytes(6).toString('hex')}`)
  cpSync(origin[from], repo, { recursive: true, verbatimSymlinks: true })
  return repo
}

/** The calls of a run without faults, and what the repository holds when garbage is collected after it. */
async function undisturbed(
  scenario: Scenario,
  core?: number,
): Promise<{ calls: string[]; expected: ReadonlyMap<string, string> }> {
  const repo = newRepository(scenario)
  const calls = await shim.calls({ repo, args: scenario.args(), ...(core !== undefined && { core }) })
  await withRepository(repo, (repository) => collectGarbage(repository))
  return { calls, expected: contentOf(repo) }
}

/** Has every fault looked at in a repository of its own, and then tells of all that went wrong. */
async function runFaults(
  t: TestContext,
  scenario: Scenario,
  faults: readonly Fault[],
  work: (fault: Fault, repo: string, when: string) => Promise<void>,
): Promise<void> {
  const failures: string[] = []
  await runAll(faults, cores().length, async (fault) => {
    const repo = newRepository(scenario)
    try {
      await work(fault, repo, `${scenario.name}: ${fault.mode} at call ${fault.at}`)
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error))
    }
    rmSync(repo, { recursive: true })
  })
  t.diagnostic(`${faults.length} runs`)
  assert.deepEqual(failures, [])
}

/** Nothing is wrong or lost, and running it again ends as if nothing had been. */
async function assertRecovers(
  repo: string,
  { again }: Scenario,
  expected: ReadonlyMap<string, string>,
  when: string,
): Promise<void> {
  await assertSound(repo, when)
  await withRepository(repo, again)
  await assertCollectsTo(repo, expected, when)
}

/** The ways in which call `at` fails in this run. */
function faultsAt(at: number): Fault[] {
  const modes = takesAll ? faultModes : [faultModes[(at + turn) % faultModes.length]]
  return modes.map((mode) => ({ mode, at }))
}

function randomFaults(calls: readonly string[]): Fault[] {
  return Array.from({ length: takesAll ? 100 : 7 }, (_, i) => ({
    mode: faultModes[i % faultModes.length],
    at: 1 + Math.floor(Math.random() * calls.length),
  }))
}

/** Success, or an error that says what failed; never a trace, or an end by itself. */
function assertSpeaksPlainly(
  { status, stderr }: RunResult,
  { mode }: Fault,
  call: string | undefined,
  when: string,
): void {
  if (mode === 'kill') return
  assert.notEqual(status, null, `${when}: ended by a signal: ${stderr}`)
  assert.doesNotMatch(stderr, /^\s+at |fault of Sluice itself|node:internal/m, `${when}: ${stderr}`)
  if (status === 0) return
  assert.match(stderr, /^Error: \S/m, `${when}: ${stderr}`)
  assert.ok(mode !== 'short' && mode !== 'EINTR', `${when}: is no failure: ${stderr}`)
  // Node's `existsSync` does not tell why it could not find out; and where there are threads it is not known what failed.
  const says = call === undefined || call.startsWith('access ') || stderr.includes(mode === 'dead' ? 'EIO' : mode)
  assert.ok(says, `${when}: the error does not say it: ${stderr}`)
}

function assertLeavesNothing(repo: string, { mode }: Fault, call: string, when: string): void {
  // What fails to be removed stays; so does the file of a lock that could not be had, for somebody else may have it.
  if (mode === 'dead' || /^(unlink|rmdir) |^(flock|statx|close) .*\.lock$/.test(call)) return
  assert.deepEqual(unfinishedIn(repo), [], when)
}
