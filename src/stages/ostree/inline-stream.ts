/** Splitstreams that are one inline chunk, as those of ostree are (ostree.md §4.1, §4.6). */
import type { ByteString } from '../../formats/bytes.js'
import type { HashAlgorithm, ObjectId } from '../../formats/digest.js'
import { FRAME_INPUT } from '../../formats/splitstream/chunks.js'
import { encodeNamedRefs, encodeSplitstreamHead } from '../../formats/splitstream/write.js'
import { compressFrame, compressSection } from '../splitstream/compress.js'

export interface InlinePayload {
  /** Bytes. */
  readonly size: number
  /** The object table of the splitstream. */
  readonly externals: readonly ObjectId[]
  pieces(): Iterable<Buffer>
}

/** The file, piece by piece; `refs` are the streams and images that it names, in the order of their table. */
export type EncodeInline = (refs: readonly (readonly [name: string, id: ObjectId])[]) => Promise<Buffer[]>

/** Compresses the payload once, for files that differ in what they name. @param contentType 8 bytes. */
export async function inlineStream(
  algorithm: HashAlgorithm,
  contentType: ByteString,
  payload: InlinePayload,
): Promise<EncodeInline> {
  const section = await compressPayload(payload)
  const streamLength = section.reduce((sum, { length }) => sum + length, 0)
  return async (refs) => {
    const names = new Map(refs.map(([name], index) => [name, index]))
    const head = encodeSplitstreamHead({
      algorithm,
      contentType,
      size: payload.size,
      streamRefs: refs.map(([, id]) => id),
      objectRefs: payload.externals,
      namedRefs: await compressSection(encodeNamedRefs(names)),
      streamLength,
    })
    return [head, ...section]
  }
}

/** In frames: the length, negative, and the payload (repository.md §3.5). */
async function compressPayload(payload: InlinePayload): Promise<Buffer[]> {
  const frames: Buffer[] = []
  let open = Buffer.allocUnsafe(FRAME_INPUT)
  let used = open.writeBigInt64LE(-BigInt(payload.size), 0)
  for (const piece of payload.pieces()) {
    for (let at = 0; at < piece.length;) {
      const copied = piece.copy(open, used, at)
      at += copied
      used += copied
      if (used < FRAME_INPUT) continue
      frames.push(await compressFrame(open))
      open = Buffer.allocUnsafe(FRAME_INPUT)
      used = 0
    }
  }
  if (used > 0) frames.push(await compressFrame(open.subarray(0, used)))
  return frames
}
