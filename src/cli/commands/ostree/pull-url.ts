/** `sluice pull ostree:URL/REF`. */
import type { Repository } from '../../../index.js'
import { cancelOnSignals } from '../../cancel-on-signals.js'
import type { Globals } from '../../globals.js'
import { flagKeys, flagSummaryKeys, type RemoteFlags } from './pull-source.js'
import { runOstreePull, type OstreePullFlags } from './run-pull.js'

/** @param text `URL/REF` or `DIRECTORY/REF`. */
export async function pullOstreeUrl(
  repository: Repository,
  text: string,
  flags: OstreePullFlags & RemoteFlags,
  globals: Globals,
): Promise<void> {
  const { findOstreeRepository } = await import('../../../index/ostree-pull.js')
  const keys = await flagKeys(flags)
  const summaryKeys = flagSummaryKeys(flags, keys)
  const controller = cancelOnSignals()
  const remote = {
    ...(flags.tlsVerify === false && { tlsVerify: false }),
    ...(summaryKeys !== undefined && { summaryKeys }),
  }
  const { source, ref } = await findOstreeRepository(repository, text, remote, controller.signal)
  const options = { ref, ...(keys !== undefined && { keys }) }
  await runOstreePull(repository, async () => source, options, flags, globals, controller)
}
