/** The wrapper of a signed superblock, `(taya{sv})` behind the magic "OSTSGNDT" (ostree.md §1.6). */
import { formatError } from '../../../errors.js'
import { asBuffer } from '../../bytes.js'
import { dictionaryType } from '../../gvariant/dictionary.js'
import { layOutTuple, type Container } from '../../gvariant/layout.js'
import { readValue } from '../../gvariant/read.js'
import { membersOf, parseType } from '../../gvariant/type.js'
import type { Dictionary } from '../../gvariant/value.js'
import type { ByteSource } from '../../splitstream/read.js'
import { MAX_METADATA } from '../limits.js'
import type { FileRange } from './superblock-parts.js'

const MAGIC = Buffer.from('OSTSGNDT', 'latin1')
const wrapperType = parseType('(taya{sv})')

/** A file as a container; what is read of it at once has a limit, because it is allocated. */
export function sourceContainer(source: ByteSource): Container {
  return {
    length: source.size,
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
  const file = sourceContainer(source)
  const isWrapped = file.length >= MAGIC.length && file.read(0, MAGIC.length).equals(MAGIC)
  if (!isWrapped) return { data: { offset: 0, length: file.length } }
  const [, [start, end], signatures] = layOutTuple(wrapperType, membersOf(wrapperType), file)
  return {
    data: { offset: start, length: end - start },
    signatures: readValue(dictionaryType, file.read(...signatures)),
  }
}
