/** Checks. */
export {
  checkOciRepository,
  checkRepository,
  fsck,
  ociFsck,
  type FsckEvent,
  type FsckOptions,
  type FsckPhase,
  type FsckResult,
  type OciFsckOptions,
  type OciFsckResult,
} from '../pipelines/fsck.js'
export {
  repairingFsck,
  repairRepository,
  type LostImage,
  type RepairOptions,
  type RepairResult,
} from '../pipelines/repair.js'
