/** `sluice pull ostree:URL/REF`. */
import type { Repository } from '../../../index.js'
import { cancelOnSignals } from '../../cancel-on-signals.js'
import type { Globals } from '../../globals.js'
import { runOstreePull, type OstreePullFlags } from './run-pull.js'

/** @param text `URL/REF` or `DIRECTORY/REF`. */
export async function pullOstreeUrl(
  repository: Repository,
  text: string,
  flags: OstreePullFlags & { readonly tlsVerify?: boolean },
  globals: Globals,
): Promise<void> {
  const { findOstreeRepository } = await import('../../../index/ostree-pull.js')
  const remote = flags.tlsVerify === false ? { tlsVerify: false } : {}
  const controller = cancelOnSignals()
  const { source, ref } = await findOstreeRepository(repository, text, remote, controller.signal)
  await runOstreePull(repository, async () => source, { ref }, flags, globals, controller)
}
