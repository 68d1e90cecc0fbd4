/** gzip by libisal: the members are walked here, the library decodes the deflate stream in each. */
import { MAX_STEP_INPUT } from '../../native/codec-library.js'
import { Inflater } from '../../native/isal.js'
import { CompressedReader } from './compressed-reader.js'
import { gather } from './gather.js'
import { checkMemberTrailer, skipMemberHeader } from './gzip-member.js'
import { freshMemory, NativeOutput, type OutputMemory } from './native-output.js'

/**
 * Inflates all members of `source`, with the verdict of the portable decoder. The one difference is a member whose Huffman
 * codes are incomplete, as no encoder makes them, but decode to what its CRC says: zlib refuses it, libisal does not.
 */
export async function* nativeGunzip(
  source: AsyncIterable<Uint8Array>,
  memory: OutputMemory = freshMemory,
): AsyncGenerator<Uint8Array> {
  const reader = new CompressedReader(gather(source, MAX_STEP_INPUT), 'gzip')
  const output = new NativeOutput(memory)
  try {
    if (await reader.atEnd()) throw reader.error('there is no data, not even an empty member')
    const inflater = new Inflater()
    while (!(await reader.atEnd())) {
      await skipMemberHeader(reader)
      inflater.begin()
      yield* output.decode(inflater, reader)
      await checkMemberTrailer(reader, inflater.surplus(), inflater.crc, inflater.size)
    }
    yield* output.rest()
  } finally {
    output.dispose()
    await reader.close()
  }
}
