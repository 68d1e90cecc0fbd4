/** What images, layers and streams hold, and mounts of it. */
export type { XattrMode } from '../formats/tree/transform.js'
export {
  dumpFiles,
  imageObjects,
  importImage,
  mountImage,
  streamContent,
  type MountImageOptions,
} from '../pipelines/images.js'
export { describeLayer, importTarLayer, layerEntries, layerTar, type LayerDetails } from '../pipelines/oci-layers.js'
export { dumpImage, imageId, storedImageId, type ImageTreeOptions } from '../pipelines/oci-tree.js'
