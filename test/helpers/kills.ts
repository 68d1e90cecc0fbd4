/** Kills pulls at random moments, and compares what comes out in the end with an undisturbed pull. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { lstatSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { RESUME_WINDOW } from '../../src/repository/parts/part.js'
import { sluice } from './cli.js'
import { layerTar, serveImage, type ServedImage } from './pull.js'
import { TestRegistry } from './registry.js'
import { projectRoot } from './vectors.js'

const MIB = 1024 * 1024
/** Of file content that does not compress, by layer. */
const layerSizes = [[300, 4 * MIB, 70_000, 3 * MIB], [65, 2 * MIB, 5000], [100_000]]
/** Then a pull may end, so that many begin. */
const RUNS_PER_PULL = 6
/** Longest time between the last byte that is waited for and the kill: long enough for import, sync and image. */
const LONGEST_DELAY_MS = 700
const BYTES_PER_SECOND = 20 * MIB

const pullArgs = (repo: string, registry: TestRegistry) => [
  '--repo',
  repo,
  '--insecure',
  'pull',
  '--json',
  '--no-tls-verify',
  '--threads',
  '2',
  '--platform',
  'linux/amd64',
  `docker://${registry.host}/app:v1`,
  'v1',
]

/** Links with their targets, files with their content; but what a killed process leaves and `gc` takes. */
function contentOf(repo: string): Map<string, string> {
  const paths = readdirSync(repo, { recursive: true, encoding: 'utf8' })
    .filter((path) => !/(^|\/)\.(tmp-object|symlink)-|^\.sluice(\/parts(\/[^/]+\.lock)?)?$/.test(path))
    .sort()
  return new Map(
    paths.map((path) => {
      const full = join(repo, path)
      const stats = lstatSync(full)
      if (stats.isSymbolicLink()) return [path, `-> ${readlinkSync(full)}`]
      return [path, stats.isDirectory() ? 'directory' : readFileSync(full, 'latin1')]
    }),
  )
}

export interface KillReport {
  readonly kills: number
  readonly pulls: number
  /** Bytes that were received before a kill and fetched again after it: of all kills, and the most of one. */
  readonly refetched: number
  readonly most: number
}

/**
 * Pulls an image of 9 MB from a slow registry again and again into repositories below `directory`, until `kills` runs were
 * killed. What a run had received, it says itself in its events; what the next one fetches, the registry sees.
 */
export async function killPulls(directory: string, kills: number): Promise<KillReport> {
  const registry = await TestRegistry.start()
  try {
    const image = serveImage(
      registry,
      'v1',
      layerSizes.map((sizes, i) => layerTar(`layer${i}`, sizes)),
    )
    const reference = join(directory, 'reference')
    const { status, stderr } = await sluice(pullArgs(reference, registry))
    assert.equal(status, 0, stderr)
    const expected = contentOf(reference)
    registry.bytesPerSecond = BYTES_PER_SECOND

    const report = { kills: 0, pulls: 0, refetched: 0, most: 0 }
    while (report.kills < kills) {
      const repo = join(directory, 'repo')
      rmSync(repo, { recursive: true, force: true })
      const ledger = new Ledger(image)
      let runs = 0
      for (;;) {
        registry.requests.length = 0
        const mayEnd = report.kills === kills || runs++ === RUNS_PER_PULL
        const target = mayEnd ? Infinity : Math.random() * ledger.missing
        const { wasKilled, events } = await runAndKill(pullArgs(repo, registry), target, () => registry.sent)
        const refetched = ledger.enter(registry, events)
        assert.ok(refetched <= RESUME_WINDOW, `${refetched} bytes were fetched again`)
        report.refetched += refetched
        report.most = Math.max(report.most, refetched)
        if (!wasKilled) break
        report.kills++
      }
      report.pulls++
      const content = contentOf(repo)
      assert.deepEqual([...content.keys()], [...expected.keys()])
      assert.deepEqual(content, expected)
      const check = await sluice(['--repo', repo, 'fsck'])
      assert.equal(check.status, 0, check.stdout)
    }
    return report
  } finally {
    await registry.close()
  }
}

/** What was received of each layer in the runs so far. */
class Ledger {
  readonly #layers: ServedImage['layers']
  readonly #received = new Map<string, number>()

  constructor({ layers }: ServedImage) {
    this.#layers = layers
  }

  get missing(): number {
    return this.#layers.reduce((sum, { size, diffId }) => sum + size - (this.#received.get(diffId) ?? 0), 0)
  }

  /** Enters a run that has ended; gives the bytes it asked for although they had been received before. */
  enter(registry: TestRegistry, events: readonly ProgressEvent[]): number {
    let refetched = 0
    for (const { digest, diffId } of this.#layers) {
      const [request] = registry.requestsFor(new RegExp(digest))
      if (request === undefined) continue
      const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
      refetched += Math.max(0, (this.#received.get(diffId) ?? 0) - start)
      this.#received.set(diffId, start)
    }
    for (const { type, id, fetched } of events) {
      if (type === 'progress') this.#received.set(id, Math.max(fetched, this.#received.get(id) ?? 0))
    }
    return refetched
  }
}

interface ProgressEvent {
  readonly type: string
  readonly id: string
  readonly fetched: number
}

/** Runs the command and kills it some moments after `received` has reached `target`, unless it has ended before. */
async function runAndKill(
  args: readonly string[],
  target: number,
  received: () => number,
): Promise<{ wasKilled: boolean; events: ProgressEvent[] }> {
  const child = spawn(process.execPath, [join(projectRoot, 'bin/sluice.js'), ...args], {
    env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output: Buffer[] = []
  const errors: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk))
  const ended = once(child, 'close') as Promise<[number | null, string | null]>
  const isRunning = () => child.exitCode === null && child.signalCode === null
  while (isRunning() && received() < target) await sleep(1)
  await Promise.race([ended, sleep(Math.random() ** 2 * LONGEST_DELAY_MS)])
  child.kill('SIGKILL')
  const [status, signal] = await ended
  if (signal !== 'SIGKILL') assert.equal(status, 0, Buffer.concat(errors).toString())
  // The last line may be cut.
  const lines = Buffer.concat(output).toString().split('\n').slice(0, -1)
  return { wasKilled: signal === 'SIGKILL', events: lines.map((line) => JSON.parse(line) as ProgressEvent) }
}
