/** The tagged images of a repository. */
export {
  inspectOciImage,
  linkedErofsImages,
  listOciImages,
  openStoredImage,
  resolveImageName,
  tagImage,
  untagImage,
  type LinkedErofsImage,
  type OciImageDetails,
  type OciImageSummary,
} from '../pipelines/oci-images.js'
