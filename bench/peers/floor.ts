/** No tool, but the least that one has to do: inflating, hashing, and the objects copied from a finished repository. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Peer } from './peer.js'

const program = fileURLToPath(new URL('../run/floor-work.js', import.meta.url))

export const floor: Peer = {
  name: 'floor',
  needs: ['cp'],
  sources: ['registry', 'layout'],
  again: false,
  composefs: false,
  copiesFinished: true,
  version: () =>
    Promise.resolve(
      'CPU time of inflating, SHA-256 of both forms, block hashes and cp -r, all cores busy, over their number',
    ),
  command: ({ corpus, algorithm, finished, target, cores }) => {
    const { layout, manifestDigest } = corpus
    const objects = join(finished, 'repository/objects')
    return [
      process.execPath,
      program,
      String(cores),
      layout,
      manifestDigest,
      algorithm,
      objects,
      join(target, 'objects'),
    ]
  },
  interpret: (measurement, stdout, { cores }) => {
    const steps = Object.entries(JSON.parse(stdout) as Record<string, number>)
    const cpuSeconds = steps.reduce((sum, [, seconds]) => sum + seconds, 0)
    const remark = steps.map(([name, seconds]) => `${name} ${seconds.toFixed(2)} s`).join(', ')
    return { measurement: { ...measurement, wallSeconds: cpuSeconds / cores }, remark }
  },
}
