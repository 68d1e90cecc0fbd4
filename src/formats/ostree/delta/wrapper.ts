/** The wrapper of a signed superblock, `(taya{sv})` behind the magic "OSTSGNDT" (ostree.md §1.6). */
import { formatError } from '../../../errors.js'
import { asBuffer } from '../../bytes.js'
import { dictionaryType } from '../../gvariant/dictionary.js'
import { layOutTuple, spanAt, type PieceReader } from '../../gvariant/layout.js'
import { readValue } from '../../gvariant/read.js'
import { membersOf, parseType } from '../../gvariant/type.js'
import type { Dictionary } from '../../gvariant/value.js'
import type { ByteSource } from '../../splitstream/read.js'
import { MAX_METADATA } from '../limits.js'
import type { FileRange } from './superblock-parts.js'

const MAGIC = Buffer.from('OSTSGNDT', 'latin1')
const wrapperType = parseType('(taya{sv})')

/** What is read of the file at once has a limit, because it is allocated. */
export function pieceReader(source: ByteSource): PieceReader {
  return {
    read(start, end) {
      if (end - start > MAX_METADATA) {
        throw formatError('delta', `${end - start} bytes of a superblock are too many to read`)
      }
      return asBuffer(source.read(start, end - start))
    },
  }
}

/** Where the superblock is in the file, and its signatures if it has any. */
export function unwrapSuperblock(source: ByteSource): { readonly data: FileRange; readonly signatures?: Dictionary } {
  const file = pieceReader(source)
  const { size } = source
  const isWrapped = size >= MAGIC.length && file.read(0, MAGIC.length).equals(MAGIC)
  if (!isWrapped) return { data: { offset: 0, length: size } }
  const spans = layOutTuple(wrapperType, membersOf(wrapperType), file, 0, size)
  const [start, end] = spanAt(spans, 1)
  return {
    data: { offset: start, length: end - start },
    signatures: readValue(dictionaryType, file.read(...spanAt(spans, 2))),
  }
}
