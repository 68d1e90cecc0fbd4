/** Sequences of commands that the reference ran: what they print, and the links that are there afterwards. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lockingAvailable } from '../../src/native/lock.js'
import { listLinks, listRefs } from '../../src/repository/link-listing.js'
import { sluice } from '../helpers/cli.js'
import { ostreeVector } from '../helpers/ostree-vectors.js'
import { temporaryRepository } from '../helpers/temporary.js'
import { readJsonVector } from '../helpers/vectors.js'

interface CommandStep {
  readonly cmd: readonly string[]
  readonly rc: number
  readonly stdout: readonly string[]
  readonly error: readonly string[]
}
interface LinksStep {
  readonly links: readonly (readonly [path: string, target: string])[]
}

const { scenarios } = readJsonVector<{ scenarios: Record<string, (CommandStep | LinksStep)[]> }>(
  'ostree',
  'expected.json',
)

const sources = new Map(['archive', 'buo-archive'].map((name) => [name, ostreeVector(name)]))

/** Steps that give more with Sluice, on purpose. */
const better: Readonly<Record<string, number>> = {
  // The ref is set although the commit is there already (ostree.md §3.1, 4.).
  'repull-verity-and-missing-tag': 2,
  // Commits are dumped by their id, too (§6).
  inspect: 5,
}

/**
 * What is equal with both tools: not the digest of a splitstream (repository.md §3.8), nor what a collection removes, as
 * Sluice stores one of its two forms only (ostree.md §4.3).
 */
const comparable = (lines: readonly string[]) => lines.filter((line) => !/^(verity  |Objects: )/.test(line))

/** Targets of streams are such digests. */
const comparableLinks = (links: LinksStep['links']) =>
  links.map(([path, target]) => (path.startsWith('streams/ostree-') ? path : `${path} ${target}`)).sort()

function linksOf(root: string): [string, string][] {
  const all = (['images', 'streams'] as const).flatMap((name) => [...listLinks(root, name), ...listRefs(root, name)])
  return all.map(({ path, target }) => [path, target!])
}

async function runStep(root: string, step: CommandStep): Promise<void> {
  const words = step.cmd.slice(1).map((word) => sources.get(word) ?? word)
  const { status, stdout, stderr } = await sluice(['--repo', root, ...words], { env: { SLUICE_PARITY: '1' } })
  const what = `${words.join(' ')}\n${stderr}`
  assert.equal(status === 0, step.rc === 0, what)
  assert.deepEqual(comparable(stdout.split('\n').slice(0, -1)), comparable(step.stdout), what)
  if (step.rc !== 0) assert.match(stderr, /^Error: /)
  // Of a failure that the system told, the reference's words are its own.
  if (step.error.length === 1) assert.equal(stderr.split('\n')[0], step.error[0])
}

for (const [name, steps] of Object.entries(scenarios)) {
  // golden/ostree-export has it.
  if (name === 'export') continue
  const needsLock = steps.some((step) => 'cmd' in step && step.cmd.includes('gc')) && !lockingAvailable()

  test(name, { skip: needsLock && 'there is no native code here, or SLUICE_NATIVE=off' }, async (t) => {
    const repository = await temporaryRepository(t)
    // Its lock would keep a collection waiting.
    repository.close()
    for (const [at, step] of steps.entries()) {
      if (better[name] === at) continue
      if ('links' in step) assert.deepEqual(comparableLinks(linksOf(repository.path)), comparableLinks(step.links))
      else await runStep(repository.path, step)
    }
  })
}
