/** Servers of ostree commits, what they offer, and whom to trust for them. */
export type { OstreeRemote } from '../formats/ostree/remote-config.js'
export { listOstreeRefs, type ListRefsOptions, type OstreeRef } from '../pipelines/ostree-refs.js'
export {
  addOstreeRemote,
  listOstreeRemotes,
  ostreeRemote,
  ostreeRemoteTrust,
  removeOstreeRemote,
  type AddRemoteOptions,
} from '../pipelines/ostree-remotes.js'
export { loadTrustedKeys, type RemoteTrust } from '../stages/ostree-verify/trusted-keys.js'
export type { SignatureVerdict } from '../stages/ostree-verify/verdict.js'
export type { TrustedKeys } from '../stages/ostree-verify/verify.js'
