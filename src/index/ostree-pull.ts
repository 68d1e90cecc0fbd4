/** ostree commits from a source into a repository. */
export { applyDelta, applyDeltaFile, type ApplyDeltaOptions } from '../pipelines/apply-delta.js'
export type { OstreePullEvent, OstreePullOptions, OstreePullResult } from '../pipelines/ostree-events.js'
export { ostreeRemoteAccess, type RemoteAccess } from '../pipelines/remote-access.js'
export { pullOstree, pullOstreeCommit } from '../pipelines/pull-ostree.js'
export { findOstreeRepository, type FoundRepository } from '../stages/ostree/find-repository.js'
export { openLocalOstree } from '../stages/ostree/local-source.js'
export { openRemoteOstree, type RemoteOptions, type RemoteSource } from '../stages/ostree/remote-source.js'
export type { OstreeSource } from '../stages/ostree/source.js'
