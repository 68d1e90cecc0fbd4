/** The ostree commits of a repository. */
export type { OstreeId } from '../formats/ostree/ostree-id.js'
export {
  inspectOstreeCommit,
  listOstreeImages,
  resolveOstreeCommit,
  tagOstreeCommit,
  untagOstreeCommit,
  type OstreeCommitDetails,
  type OstreeImageSummary,
} from '../pipelines/ostree-commits.js'
export { dumpOstreeCommit, ostreeImageId, storedOstreeImageId } from '../pipelines/ostree-tree.js'
