/** Joins what an earlier run received of a blob and what its source sends, and writes down the latter as it arrives. */
import type { Descriptor } from '../../formats/oci/descriptor.js'
import type { Part } from '../../repository/parts/part.js'
import type { BlobOptions, ImageSource } from './image-source.js'

export interface FetchOptions extends Pick<BlobOptions, 'signal' | 'onProgress' | 'createHash'> {
  /** Called with the number of bytes of each piece that need not be fetched. */
  readonly onResumed?: (bytes: number) => void
}

/**
 * The bytes of a blob, checked as `ImageSource.blob` does. Without `part`, all of them come from the source. Whoever took the
 * part keeps, seals or drops it afterwards.
 */
export async function* fetchBlob(
  source: ImageSource,
  descriptor: Descriptor,
  part: Part | undefined,
  { signal, onProgress, onResumed, createHash }: FetchOptions,
): AsyncGenerator<Uint8Array> {
  const options: BlobOptions = { signal, ...(onProgress && { onProgress }), ...(createHash && { createHash }) }
  if (part === undefined) return yield* source.blob(descriptor, options)
  let isKnown = true
  const known = async function* () {
    for await (const bytes of part.read()) {
      onResumed?.(bytes.length)
      yield bytes
    }
    isKnown = false
  }
  const { validator } = part
  const blob = source.blob(descriptor, {
    ...options,
    partial: known(),
    ...(validator && { validator }),
    onValidator: (validator) => (part.validator = validator),
  })
  for await (const bytes of blob) {
    if (!isKnown) await part.append(bytes)
    yield bytes
  }
}
