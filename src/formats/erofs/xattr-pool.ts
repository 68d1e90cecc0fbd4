/** Extended attributes as they are written: interned, so that equal pairs are counted and shared (erofs.md §5). */
import { formatError } from '../../errors.js'
import { fromByteString, type ByteString } from '../bytes.js'
import { objectIdFromPath, objectPath, type ObjectId } from '../digest.js'
import { shown } from '../tree/path.js'
import { LUSTRE_PREFIX, METACOPY, REDIRECT, XATTR_FILTER_SEED, xattrPrefixes } from './format.js'
import { metacopyValue, plainValue, redirectValue, Xattr, type XattrName } from './xattr.js'
import { xxh32 } from './xxh32.js'

/** What makes overlayfs find and verify the content of a file (erofs.md §5.6). */
export type ObjectXattrs = readonly [metacopy: Xattr, redirect: Xattr]

/** A name with the pairs that have it and are not made of an object id. */
interface PooledName extends XattrName {
  readonly pairs: Map<ByteString, Xattr>
}

export class XattrPool {
  readonly #names = new Map<ByteString, PooledName>()
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
      xattr = new Xattr(name, plainValue, value)
      name.pairs.set(value, xattr)
    }
    return xattr
  }

  /** Both xattrs of a file whose object lies at its usual path. */
  object(id: ObjectId): ObjectXattrs {
    let object = this.#objects.get(id)
    if (object === undefined) {
      object = [new Xattr(this.#name(METACOPY), metacopyValue, id), new Xattr(this.#name(REDIRECT), redirectValue, id)]
      this.#objects.set(id, object)
    }
    return object
  }

  /** The redirect to any backing path; the usual path of an object gives the same pair as its id does. */
  redirect(path: ByteString): Xattr {
    const id = objectIdFromPath('sha256', path) ?? objectIdFromPath('sha512', path)
    return id !== undefined && objectPath(id) === path ? this.object(id)[1] : this.get(REDIRECT, `/${path}`)
  }

  /** Those that inodes may have pairs of. */
  get keys(): ByteString[] {
    return [...this.#names.keys()]
  }

  /** All pairs with more than one use. */
  reused(): Xattr[] {
    const reused: Xattr[] = []
    const take = (xattr: Xattr) => {
      if (xattr.uses > 1) reused.push(xattr)
    }
    for (const { pairs } of this.#names.values()) pairs.forEach(take)
    for (const object of this.#objects.values()) object.forEach(take)
    return reused
  }

  #name(key: ByteString): PooledName {
    let name = this.#names.get(key)
    if (name === undefined) {
      const prefix = this.#prefixOf(key)
      const suffix = key.slice(xattrPrefixes[prefix].length)
      // Its length is a byte.
      if (suffix.length > 255) throw formatError('erofs', `cannot write the xattr ${shown(key)}: its key is too long`)
      name = {
        key,
        prefix,
        suffix,
        filterBit: xxh32(suffix, XATTR_FILTER_SEED + prefix) & 31,
        head: fromByteString(String.fromCharCode(suffix.length, prefix, 0, 0) + suffix),
        pairs: new Map(),
      }
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
