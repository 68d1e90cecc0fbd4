/** The public API of Sluice. */
export * from './errors.js'
export { defaults } from './options.js'
export { parseDigest, parseObjectId, type Digest, type HashAlgorithm, type ObjectId } from './formats/digest.js'
export { parsePlatform, type Platform } from './formats/oci/platform.js'
export type { XattrMode } from './formats/tree/transform.js'
export { verityAlgorithmName } from './formats/verity/digest.js'
export { initRepository, type InitOptions, type InitResult } from './repository/init.js'
export { parseAlgorithmName, type ErofsFormats, type ErofsVersion } from './repository/metadata.js'
export { Repository, type OpenOptions } from './repository/repository.js'
export type { ImageSource } from './stages/fetch/image-source.js'
export { openImageSource, type ImageSourceOptions } from './stages/fetch/open.js'
export { checkOciRepository, checkRepository, type FsckResult, type OciFsckResult } from './pipelines/fsck.js'
export { collectGarbage, type GcResult } from './pipelines/gc.js'
export {
  dumpFiles,
  imageObjects,
  importImage,
  mountImage,
  streamContent,
  type MountImageOptions,
} from './pipelines/images.js'
export {
  inspectOciImage,
  listOciImages,
  openStoredImage,
  resolveImageName,
  tagImage,
  untagImage,
  type OciImageDetails,
  type OciImageSummary,
} from './pipelines/oci-images.js'
export { describeLayer, importTarLayer, layerEntries, layerTar, type LayerDetails } from './pipelines/oci-layers.js'
export { dumpImage, imageId, storedImageId, type ImageTreeOptions } from './pipelines/oci-tree.js'
export { openOrInit } from './pipelines/open-or-init.js'
export type { PullEvent, PullResult } from './pipelines/pull-events.js'
export { pullOci, pullOciImage, type PullOptions } from './pipelines/pull-oci.js'
