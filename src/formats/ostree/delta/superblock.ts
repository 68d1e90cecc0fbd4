/** The superblock of a static delta (ostree.md §1.6): what the delta leads to, and where its parts are. */
import { SluiceError } from '../../../errors.js'
import { dictionaryType, valueOf } from '../../gvariant/dictionary.js'
import { layOutTuple, spanAt } from '../../gvariant/layout.js'
import { readValue } from '../../gvariant/read.js'
import { membersOf, parseType, type GvariantType } from '../../gvariant/type.js'
import type { Dictionary } from '../../gvariant/value.js'
import type { ByteSource } from '../../splitstream/read.js'
import { COMMIT_TYPE } from '../commit.js'
import { ostreeIdFromBytes, type OstreeId } from '../ostree-id.js'
import { readSuperblockMetadata, underDelta } from './superblock-metadata.js'
import { fallbacksType, partsType, readParts, type FileRange, type SuperblockParts } from './superblock-parts.js'
import { pieceReader, unwrapSuperblock } from './wrapper.js'

export interface Superblock extends SuperblockParts {
  readonly from?: OstreeId
  readonly to: OstreeId
  /** The commit object that the delta leads to: whoever uses it compares its hash with `to`. */
  readonly commit: Buffer
  /** The detached metadata of the commit, signatures above all. */
  readonly commitmeta?: Dictionary
  /** Of a signed delta: its signatures, and what they sign. */
  readonly signed?: { readonly signatures: Dictionary; readonly data: FileRange }
}

const superblockType = parseType(`(a{sv}tayay${COMMIT_TYPE}aya(uayttay)a(yaytt))`)
const bytesType = parseType<Uint8Array>('ay')
const commitType = parseType(COMMIT_TYPE)

/**
 * Reads what there is besides inline parts, with `source` giving only the ranges that are needed.
 *
 * @throws SluiceError `SLUICE_FORMAT`: malformed. `SLUICE_UNSUPPORTED`: it needs other deltas, or has parts of a newer version.
 */
export function readSuperblock(source: ByteSource): Superblock {
  const { data, signatures } = unwrapSuperblock(source)
  const file = pieceReader(source)
  const end = data.offset + data.length
  const spans = layOutTuple(superblockType, membersOf(superblockType), file, data.offset, end)
  const member = <T>(index: number, type: GvariantType<T>): T => readValue(type, file.read(...spanAt(spans, index)))

  const from = member(2, bytesType)
  const ends = {
    ...(from.length === 0 ? {} : { from: ostreeIdFromBytes(from) }),
    to: ostreeIdFromBytes(member(3, bytesType)),
  }
  const commit = file.read(...spanAt(spans, 4))
  readValue(commitType, commit)
  if (member(5, bytesType).length > 0) throw new SluiceError('SLUICE_UNSUPPORTED', 'the delta needs other deltas')

  const { dictionary, inline } = readSuperblockMetadata(file, spanAt(spans, 0))
  const inlineSpan = underDelta(inline, ends)
  const inlinePart = (index: string): FileRange | undefined => {
    const span = inlineSpan(index)
    return span && { offset: span[0], length: span[1] - span[0] }
  }
  const stated = underDelta(dictionary, ends)('commitmeta')
  const commitmeta = stated && valueOf(stated, dictionaryType)
  return {
    ...ends,
    commit,
    ...readParts(member(6, partsType), member(7, fallbacksType), inlinePart),
    ...(commitmeta === undefined ? {} : { commitmeta }),
    ...(signatures === undefined ? {} : { signed: { signatures, data } }),
  }
}
