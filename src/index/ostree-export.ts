/** ostree commits from images, and into ostree repositories. */
export type { RepositoryMode as OstreeRepositoryMode } from '../formats/ostree/repository-config.js'
export {
  exportOstree,
  exportOstreeCommit,
  type OstreeExportEvent,
  type OstreeExportOptions,
  type OstreeExportResult,
} from '../pipelines/export-commit.js'
export { makeOstreeCommit, type MadeCommit, type MakeCommitOptions } from '../pipelines/make-commit.js'
