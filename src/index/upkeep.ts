/** Checks and collection of garbage. */
export { checkOciRepository, checkRepository, type FsckResult, type OciFsckResult } from '../pipelines/fsck.js'
export { collectGarbage, type GcResult } from '../pipelines/gc.js'
