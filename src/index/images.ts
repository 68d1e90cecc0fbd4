/** The tagged images of a repository. */
export {
  inspectOciImage,
  listOciImages,
  openStoredImage,
  resolveImageName,
  tagImage,
  untagImage,
  type OciImageDetails,
  type OciImageSummary,
} from '../pipelines/oci-images.js'
