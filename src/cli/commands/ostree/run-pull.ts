/** Runs a pull of an ostree commit and prints what came of it (ostree.md §6). */
import type { OstreePullOptions, OstreePullResult, OstreeSource, Repository } from '../../../index.js'
import { cancelOnSignals } from '../../cancel-on-signals.js'
import type { EngineFlags } from '../../engine-options.js'
import type { Globals } from '../../globals.js'
import { showOstreePull } from '../../ostree-progress.js'
import { print } from '../../output.js'
import { progressStyle } from '../../progress.js'
import { withTrace } from '../../trace-file.js'

export interface OstreePullFlags extends EngineFlags {
  readonly trace?: string
  readonly json?: boolean
}

export async function runOstreePull(
  repository: Repository,
  openSource: () => Promise<OstreeSource>,
  options: OstreePullOptions,
  flags: OstreePullFlags,
  globals: Globals,
  { signal } = cancelOnSignals(),
): Promise<void> {
  const { pullOstree } = await import('../../../index/ostree-pull.js')
  const json = flags.json ?? false
  await withTrace(flags.trace, async (onSpan) => {
    const events = pullOstree(repository, openSource, {
      ...options,
      ...(flags.maxMemory !== undefined && { maxMemory: flags.maxMemory }),
      ...(flags.threads !== undefined && { threads: flags.threads }),
      ...(onSpan !== undefined && { onSpan }),
      parity: globals.parity ?? false,
      signal,
    })
    const result = await showOstreePull(events, progressStyle({ quiet: globals.quiet ?? false, json }))
    if (!json) printResult(result)
  })
}

function printResult({ commit, verity, image, tag, parents, fetched }: OstreePullResult): void {
  print(`commit  ${commit}`)
  print(`verity  ${verity}`)
  print(`image   ${image}`)
  if (tag !== undefined) print(`tagged  ${tag}`)
  if (parents.length > 0) print(`parents ${parents.length}`)
  const how = fetched.deltaParts > 0 ? `via ${fetched.deltaParts} delta parts` : 'fetched'
  print(`objects ${fetched.metadata} metadata + ${fetched.files} files ${how}`)
}
