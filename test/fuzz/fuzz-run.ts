/** Runs inputs through targets and checks what each costs; the part that goes on in a thread of its own. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { getHeapStatistics } from 'node:v8'
import { errorCodes, SluiceError } from '../../src/errors.js'
import { countAllocations } from './count-allocations.js'
import { mutate } from './mutate.js'
import { Random } from './random.js'
import type { Target } from './target.js'

/** CPU time that one input may take, in milliseconds. */
const MAX_CPU = 1000
/** Bytes that one input may take beyond its own. */
const MAX_ALLOCATION = 64 * 1024 * 1024
/** Characters of a message: it is for people, and what was read is quoted at no length. */
const MAX_MESSAGE = 64 * 1024

export interface Failure {
  readonly target: string
  readonly index: number
  readonly problem: string
  /** Where the input was written. */
  readonly file?: string
}

export interface TargetReport {
  readonly target: string
  readonly inputs: number
  /** Inputs that were not refused. */
  readonly accepted: number
  readonly seeds: number
  /** CPU time of all, in seconds. */
  readonly seconds: number
  /** The most that one input took, in milliseconds. */
  readonly slowest: number
  /** The most that one input left or allocated at once, in bytes. */
  readonly largest: number
}

/** Input number `index` of a target; `random` goes on with what `run` decides. */
export function makeInput(target: Target, seed: string, index: number): { input: Buffer; random: Random } {
  const random = new Random(seed, target.name, index)
  const generated = target.generate !== undefined && (target.seeds.length === 0 || random.chance(0.3))
  const base = generated ? target.generate(random) : random.pick(target.seeds)
  const keep = generated && random.chance(0.5)
  const mutated = keep ? base : mutate(base, random, target.seeds.length === 0 ? [base] : target.seeds, target.limit)
  const input = Buffer.from(target.repair?.(mutated, random) ?? mutated)
  return { input, random }
}

const cpuMilliseconds = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

const heapBytes = (): number => {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics()
  return heap + external
}

interface Cost {
  readonly milliseconds: number
  readonly bytes: number
  readonly accepted: boolean
}

/** @throws what is neither a result nor a `SluiceError`. */
async function measure(target: Target, seed: string, index: number): Promise<Cost> {
  const { input, random } = makeInput(target, seed, index)
  const allocations = countAllocations()
  const heap = heapBytes()
  const started = cpuMilliseconds()
  let accepted = true
  try {
    const running = target.run(input, random)
    if (running !== undefined) await running
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    if (!Object.hasOwn(errorCodes, error.code)) throw new Error(`an unknown code: ${error.code}`, { cause: error })
    if (error.message.length > MAX_MESSAGE) {
      throw new Error(`a message of ${error.message.length} characters`, { cause: error })
    }
    accepted = false
  }
  const bytes = Math.max(heapBytes() - heap, allocations.end()) - input.length
  return { milliseconds: cpuMilliseconds() - started, bytes, accepted }
}

const excessive = ({ milliseconds, bytes }: Cost): string | undefined =>
  milliseconds > MAX_CPU
    ? `${Math.round(milliseconds)} ms of CPU time`
    : bytes > MAX_ALLOCATION
      ? `${Math.round(bytes / 2 ** 20)} MiB of memory`
      : undefined

/** Runs `count` inputs from number `first` on. */
export async function fuzzTarget(
  target: Target,
  seed: string,
  first: number,
  count: number,
  onInput: (index: number) => void,
  onFailure: (failure: Omit<Failure, 'file'>) => void,
): Promise<TargetReport> {
  const started = cpuMilliseconds()
  const report = { accepted: 0, slowest: 0, largest: 0 }
  for (let index = first; index < first + count; index++) {
    onInput(index)
    try {
      let cost = await measure(target, seed, index)
      // Once more: the first time, code may have been compiled and garbage of others collected.
      if (excessive(cost) !== undefined) cost = await measure(target, seed, index)
      const problem = excessive(cost)
      if (problem !== undefined) onFailure({ target: target.name, index, problem })
      if (cost.accepted) report.accepted++
      report.slowest = Math.max(report.slowest, cost.milliseconds)
      report.largest = Math.max(report.largest, cost.bytes)
    } catch (error) {
      const problem = error instanceof Error ? (error.stack ?? error.message) : String(error)
      onFailure({ target: target.name, index, problem })
    }
    // Lets what was thrown asynchronously, and messages, through.
    if (index % 256 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  const seconds = (cpuMilliseconds() - started) / 1000
  return { target: target.name, inputs: count, seeds: target.seeds.length, seconds, ...report }
}

/** Keeps an input that failed; the same name each time. */
export function saveInput(directory: string, target: Target, seed: string, index: number): string {
  mkdirSync(directory, { recursive: true })
  const file = join(directory, `${target.name}-${seed}-${index}.bin`)
  writeFileSync(file, makeInput(target, seed, index).input)
  return file
}
