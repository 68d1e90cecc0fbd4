/** Joins what an earlier run received of a blob and what its source sends, and writes down the latter as it arrives. */
import type { Descriptor } from '../../formats/oci/descriptor.js'
import type { Part } from '../../repository/parts/part.js'
import type { BlobOptions, ImageSource } from './image-source.js'

export interface FetchOptions extends Pick<BlobOptions, 'signal' | 'onProgress' | 'memory' | 'createDigest'> {
  /** Called with the number of bytes of each piece that need not be fetched. */
  readonly onResumed?: (bytes: number) => void
}

/**
 * The bytes of a blob, as `ImageSource.blob` gives them. Without `part`, all of them come from the source. Whoever took the
 * part keeps, seals or drops it afterwards.
 */
export function fetchBlob(
  source: ImageSource,
  descriptor: Descriptor,
  part: Part | undefined,
  { onResumed, ...options }: FetchOptions,
): AsyncIterable<Uint8Array> {
  if (part === undefined) return source.blob(descriptor, options)
  const known = async function* () {
    for await (const bytes of part.read()) {
      onResumed?.(bytes.length)
      yield bytes
    }
  }
  const { validator } = part
  return source.blob(descriptor, {
    ...options,
    partial: known(),
    keep: (bytes) => part.append(bytes),
    ...(validator && { validator }),
    onValidator: (validator) => (part.validator = validator),
  })
}
