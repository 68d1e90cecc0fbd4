/** Extended attributes as they are written: interned, so that equal pairs are counted and shared (erofs.md §5). */
import type { ByteString } from '../bytes.js'
import { objectIdFromPath, objectPath, type ObjectId } from '../digest.js'
import {
  LUSTRE_PREFIX,
  METACOPY,
  REDIRECT,
  XATTR_ENTRY_HEADER_SIZE,
  XATTR_FILTER_SEED,
  roundUp,
  xattrPrefixes,
} from './format.js'
import { encodeMetacopy, metacopyLength } from './metacopy.js'
import { xxh32 } from './xxh32.js'

/** A key split at its prefix, with the pairs that have it. */
interface XattrName {
  readonly key: ByteString
  readonly prefix: number
  readonly suffix: ByteString
  /** Its bit of the name filter. */
  readonly filterBit: number
  readonly pairs: Map<ByteString, Xattr>
}

/** One (key, value) pair of an image. */
export class Xattr {
  readonly name: XattrName
  readonly valueLength: number
  /** Inodes that have it. */
  uses = 0
  /** Offset in the shared table; -1 when it is not in there. */
  tableOffset = -1
  readonly #source: ByteString
  readonly #derive: ((id: ObjectId) => ByteString) | undefined

  /** `source` is the value, or with `derive` the object id it is made of: all those values would take much memory. */
  constructor(name: XattrName, valueLength: number, source: ByteString, derive?: (id: ObjectId) => ByteString) {
    this.name = name
    this.valueLength = valueLength
    this.#source = source
    this.#derive = derive
  }

  get value(): ByteString {
    return this.#derive === undefined ? this.#source : this.#derive(this.#source as ObjectId)
  }

  /** Bytes of an entry, padding included. */
  get entrySize(): number {
    return roundUp(XATTR_ENTRY_HEADER_SIZE + this.name.suffix.length + this.valueLength, 4)
  }
}

/** What makes overlayfs find and verify the content of a file (erofs.md §5.6). */
export interface ObjectXattrs {
  readonly metacopy: Xattr
  readonly redirect: Xattr
}

export class XattrPool {
  readonly #names = new Map<ByteString, XattrName>()
  readonly #objects = new Map<ObjectId, ObjectXattrs>()
  readonly #lustre: boolean

  /** `lustre`: whether that prefix has its index (epoch 2 only). */
  constructor(lustre: boolean) {
    this.#lustre = lustre
  }

  get(key: ByteString, value: ByteString): Xattr {
    const name = this.#name(key)
    let xattr = name.pairs.get(value)
    if (xattr === undefined) {
      xattr = new Xattr(name, value.length, value)
      name.pairs.set(value, xattr)
    }
    return xattr
  }

  /** Both xattrs of a file whose object lies at its usual path. */
  object(id: ObjectId): ObjectXattrs {
    let object = this.#objects.get(id)
    if (object === undefined) {
      object = {
        metacopy: new Xattr(this.#name(METACOPY), metacopyLength(id), id, encodeMetacopy),
        redirect: new Xattr(this.#name(REDIRECT), id.length + 2, id, encodeRedirect),
      }
      this.#objects.set(id, object)
    }
    return object
  }

  /** The redirect to any backing path; the usual path of an object gives the same pair as its id does. */
  redirect(path: ByteString): Xattr {
    const id = objectIdFromPath('sha256', path) ?? objectIdFromPath('sha512', path)
    return id !== undefined && objectPath(id) === path ? this.object(id).redirect : this.get(REDIRECT, `/${path}`)
  }

  /** All pairs with more than one use. */
  *reused(): Generator<Xattr> {
    for (const { pairs } of this.#names.values()) {
      for (const xattr of pairs.values()) if (xattr.uses > 1) yield xattr
    }
    for (const { metacopy, redirect } of this.#objects.values()) {
      if (metacopy.uses > 1) yield metacopy
      if (redirect.uses > 1) yield redirect
    }
  }

  #name(key: ByteString): XattrName {
    let name = this.#names.get(key)
    if (name === undefined) {
      const prefix = this.#prefixOf(key)
      const suffix = key.slice(xattrPrefixes[prefix].length)
      name = { key, prefix, suffix, filterBit: xxh32(suffix, XATTR_FILTER_SEED + prefix) & 31, pairs: new Map() }
      this.#names.set(key, name)
    }
    return name
  }

  /** No key matches two prefixes; index 0 is for those that match none. */
  #prefixOf(key: ByteString): number {
    const index = xattrPrefixes.findIndex(
      (prefix, i) => i > 0 && (i !== LUSTRE_PREFIX || this.#lustre) && key.startsWith(prefix),
    )
    return Math.max(index, 0)
  }
}

function encodeRedirect(id: ObjectId): ByteString {
  return `/${objectPath(id)}`
}
