/** gzip by libisal: the members are walked here, the library decodes the deflate stream in each. */
import { CompressedReader } from './compressed-reader.js'
import { DECODER_INPUT, localDecoder } from './decoder.js'
import { gather } from './gather.js'
import { checkMemberTrailer, skipMemberHeader } from './gzip-member.js'
import { freshMemory, NativeOutput, type NativeOptions } from './native-output.js'

/**
 * Inflates all members of `source`, with the verdict of the portable decoder. The one difference is a member whose Huffman
 * codes are incomplete, as no encoder makes them, but decode to what its CRC says: zlib refuses it, libisal does not.
 */
export async function* nativeGunzip(
  source: AsyncIterable<Uint8Array>,
  { memory = freshMemory, open = localDecoder }: NativeOptions = {},
): AsyncGenerator<Uint8Array> {
  const reader = new CompressedReader(gather(source, DECODER_INPUT), 'gzip')
  const output = new NativeOutput(memory)
  const inflater = open('gzip')
  try {
    if (await reader.atEnd()) throw reader.error('there is no data, not even an empty member')
    while (!(await reader.atEnd())) {
      await skipMemberHeader(reader)
      inflater.begin()
      const { end } = yield* output.decode(inflater, reader)
      await checkMemberTrailer(reader, end!)
    }
    yield* output.rest()
  } finally {
    inflater.close()
    output.dispose()
    await reader.close()
  }
}
