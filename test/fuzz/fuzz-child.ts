/**
 * The process that decodes. It may crash or be killed at any moment, so it writes down before each input which one it is:
 * two 32-bit numbers, the target and the input.
 */
import { openSync, writeSync } from 'node:fs'
import type { FuzzMessage, FuzzOrder } from './fuzz.js'
import { fuzzTarget } from './fuzz-run.js'
import { targets } from './targets/all.js'

const { seed, jobs, progress } = JSON.parse(process.argv[2]) as FuzzOrder
const fd = openSync(progress, 'r+')
const place = new Uint32Array(2)
const send = (message: FuzzMessage): void => void process.send!(message)

for (const { target: name, first, count } of jobs) {
  place[0] = targets.findIndex((target) => target.name === name)
  const onInput = (index: number): void => {
    place[1] = index
    writeSync(fd, place, 0, place.byteLength, 0)
  }
  const onFailure = (failure: Extract<FuzzMessage, { type: 'failure' }>['failure']): void =>
    send({ type: 'failure', failure })
  send({ type: 'report', report: await fuzzTarget(targets[place[0]], seed, first, count, onInput, onFailure) })
}
process.disconnect()
