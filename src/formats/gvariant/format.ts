/** Framing offsets and limits of GVariant (ostree.md §1.1). */

/** Containers inside one another, variants included: what GLib allows. */
export const MAX_DEPTH = 128

export type OffsetWidth = 1 | 2 | 4 | 8

/** Bytes of one framing offset in a container of `length` bytes. */
export function offsetWidth(length: number): OffsetWidth {
  if (length <= 0xff) return 1
  if (length <= 0xffff) return 2
  return length <= 0xffff_ffff ? 4 : 8
}

/** The smallest width with which `body` bytes and `count` offsets fit together: what writers use. */
export function smallestOffsetWidth(body: number, count: number): OffsetWidth {
  if (body + count <= 0xff) return 1
  if (body + 2 * count <= 0xffff) return 2
  return body + 4 * count <= 0xffff_ffff ? 4 : 8
}
