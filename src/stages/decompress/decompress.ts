/**
 * `decompress`: the bytes of a layer out of its blob.
 *
 * Pulled, chunk by chunk: no input is read before what came out of the last one was taken, so memory does not depend on
 * the input, whatever it inflates to. Members and frames are decoded to the last; junk after them, and input that ends
 * too early, are errors.
 */
import { Breather } from '../../flow/breather.js'
import type { Compression } from '../../formats/oci/media-types.js'
import { isalUsable } from '../../native/isal.js'
import { libzstdUsable } from '../../native/zstd.js'
import { gunzip } from './gunzip.js'
import { nativeGunzip } from './native-gunzip.js'
import type { NativeOptions } from './native-output.js'
import { MAX_OUTPUT_CHUNK } from './output-memory.js'
import { nativeUnzstd } from './native-unzstd.js'
import { unzstd } from './unzstd.js'

/** `memory` and `open` are for decoders in C: pieces of at most 1 MiB, by default new ones. Others bring their own. */
export interface DecompressOptions extends NativeOptions {
  readonly signal?: AbortSignal
}

type Decode = (source: AsyncIterable<Uint8Array>, options: NativeOptions) => AsyncIterable<Uint8Array>

/** The decoder of each compression, chosen here and nowhere else: a C library where there is one, else portable code. */
const decoders: Readonly<Record<Compression, () => Decode>> = {
  none: () => (source) => source,
  gzip: () => (isalUsable() ? nativeGunzip : gunzip),
  zstd: () => (libzstdUsable() ? nativeUnzstd : unzstd),
}

/**
 * Decompresses `source`, whose chunks are used up before the next one is asked for. Those that come out are at most 1 MiB,
 * never empty, and belong to the consumer unless `memory` says otherwise.
 *
 * @throws SluiceError `SLUICE_COMPRESSION` for corrupt, cut or over-long input; errors of `source` as they are.
 */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  compression: Compression,
  { signal, ...options }: DecompressOptions = {},
): AsyncGenerator<Uint8Array> {
  // A small input can inflate to gigabytes, in a chain of promises that lets no timer, socket or cancellation through.
  const breather = new Breather(signal)
  const decode = decoders[compression]()
  for await (const chunk of decode(source, options)) {
    for (let at = 0; at < chunk.length; at += MAX_OUTPUT_CHUNK) yield chunk.subarray(at, at + MAX_OUTPUT_CHUNK)
    await breather.breathe()
  }
}
