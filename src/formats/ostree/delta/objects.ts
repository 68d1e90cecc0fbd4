/** The objects of a delta part, in the order they are produced: 33-byte records (ostree.md §1.6). */
import { formatError } from '../../../errors.js'
import { asBuffer } from '../../bytes.js'
import { objectTypeOfNumber, type ObjectType } from '../object-type.js'
import { ID_LENGTH, ostreeIdFromBytes, type OstreeId } from '../ostree-id.js'

/** What deltas carry. */
export type DeltaObjectType = Extract<ObjectType, 'file' | 'dirtree' | 'dirmeta' | 'commit' | 'tombstone-commit'>

export interface DeltaObject {
  readonly type: DeltaObjectType
  readonly id: OstreeId
}

const RECORD = 1 + ID_LENGTH

/** @throws SluiceError `SLUICE_FORMAT`: a type that deltas do not carry. */
export function deltaObjectType(number: number): DeltaObjectType {
  const type = objectTypeOfNumber(number)
  switch (type) {
    case 'file':
    case 'dirtree':
    case 'dirmeta':
    case 'commit':
    case 'tombstone-commit':
      return type
    default:
      throw formatError('delta', `objects of type ${number} are not carried by deltas`)
  }
}

/** A view of the records: a large part has a hundred thousand. */
export class DeltaObjects {
  readonly #records: Buffer

  /** @throws SluiceError `SLUICE_FORMAT` */
  constructor(records: Uint8Array) {
    if (records.length % RECORD !== 0) throw formatError('delta', 'the list of objects ends inside a record')
    this.#records = asBuffer(records)
  }

  get length(): number {
    return this.#records.length / RECORD
  }

  /** @param index 0 to `length` - 1. */
  at(index: number): DeltaObject {
    const start = index * RECORD
    return {
      type: deltaObjectType(this.#records[start]),
      id: ostreeIdFromBytes(this.#records.subarray(start + 1, start + RECORD)),
    }
  }

  *[Symbol.iterator](): Iterator<DeltaObject> {
    for (let index = 0; index < this.length; index++) yield this.at(index)
  }
}
