/** What is around the deflate stream of a gzip member (RFC 1952 §2.3). */
import { crc32 } from 'node:zlib'
import type { DeflateEnd } from '../../native/codec-library.js'
import type { CompressedReader } from './compressed-reader.js'

const MAGIC_0 = 0x1f
const MAGIC_1 = 0x8b
const DEFLATE = 8
const flag = { headerCrc: 2, extra: 4, name: 8, comment: 16, reserved: 0xe0 } as const

/** Passes over the header of a member, which may be of any length, and checks it as zlib does. */
export async function skipMemberHeader(reader: CompressedReader): Promise<void> {
  const start = reader.position
  let crc = 0
  const take = async (length: number): Promise<Buffer> => {
    const bytes = Buffer.alloc(length)
    await reader.need(bytes)
    crc = crc32(bytes, crc)
    return bytes
  }
  const takeText = async (): Promise<void> => {
    for (let ended = false; !ended;) {
      await reader.needSome()
      const bytes = reader.available()
      const end = bytes.indexOf(0)
      ended = end >= 0
      const length = ended ? end + 1 : bytes.length
      crc = crc32(bytes.subarray(0, length), crc)
      reader.advance(length)
    }
  }

  if ((await take(1))[0] !== MAGIC_0 || (await take(1))[0] !== MAGIC_1) {
    throw reader.error(
      start === 0
        ? 'the data is corrupt: it does not begin with a member'
        : `there is junk after the last member, at ${start}`,
    )
  }
  const [method, flags] = await take(8)
  if (method !== DEFLATE) throw reader.error(`the data is corrupt: a member has the unknown method ${method}`)
  if ((flags & flag.reserved) !== 0) throw reader.error('the data is corrupt: a member has unknown flags')
  if ((flags & flag.extra) !== 0) await take((await take(2)).readUInt16LE())
  if ((flags & flag.name) !== 0) await takeText()
  if ((flags & flag.comment) !== 0) await takeText()
  if ((flags & flag.headerCrc) !== 0) {
    const expected = crc & 0xffff
    if ((await take(2)).readUInt16LE() !== expected) throw reader.error('the data is corrupt: a header has a wrong CRC')
  }
}

/** Checks the trailer of a member, of which the decoder has taken the first bytes already, against what came out. */
export async function checkMemberTrailer(reader: CompressedReader, { crc, size, surplus }: DeflateEnd): Promise<void> {
  const trailer = Buffer.alloc(8)
  trailer.set(surplus)
  await reader.need(trailer.subarray(surplus.length))
  if (trailer.readUInt32LE(0) !== crc) throw reader.error('the data is corrupt: the CRC of a member is wrong')
  if (trailer.readUInt32LE(4) !== size) throw reader.error('the data is corrupt: the size of a member is wrong')
}
