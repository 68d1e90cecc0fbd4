/** gzip by libisal: the members are walked here, the library decodes the deflate stream in each. */
import type { CompressedReader } from './compressed-reader.js'
import type { Decoder } from './decoder.js'
import { checkMemberTrailer, skipMemberHeader } from './gzip-member.js'
import { decodeNatively, type NativeOptions, type NativeOutput } from './native-output.js'

/**
 * Inflates all members of `source`, with the verdict of the portable decoder. The one difference is a member whose Huffman
 * codes are incomplete, as no encoder makes them, but decode to what its CRC says: zlib refuses it, libisal does not.
 */
export function nativeGunzip(
  source: AsyncIterable<Uint8Array>,
  options: NativeOptions = {},
): AsyncGenerator<Uint8Array> {
  return decodeNatively('gzip', source, options, members)
}

async function* members(reader: CompressedReader, inflater: Decoder, output: NativeOutput): AsyncGenerator<Uint8Array> {
  if (await reader.atEnd()) throw reader.error('there is no data, not even an empty member')
  while (!(await reader.atEnd())) {
    await skipMemberHeader(reader)
    inflater.begin()
    const { end } = yield* output.decode(inflater, reader)
    await checkMemberTrailer(reader, end!)
  }
}
