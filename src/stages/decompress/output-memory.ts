import { PinnedBuffer } from '../../native/pinned-buffer.js'

/** Where the memory comes from that decoders and sources write to. What was taken is given back. */
export interface OutputMemory {
  take(): PinnedBuffer | Promise<PinnedBuffer>
  /** If there is some at once, for what comes after the next chunk. */
  tryTake?(): PinnedBuffer | undefined
  give(memory: PinnedBuffer): void
}

/** Largest chunk that comes out of a decoder, in bytes. */
export const MAX_OUTPUT_CHUNK = 1024 * 1024

/** New memory for each chunk, which is the consumer's to keep. */
export const freshMemory: OutputMemory = {
  take: () => PinnedBuffer.allocate(MAX_OUTPUT_CHUNK),
  give: () => undefined,
}
