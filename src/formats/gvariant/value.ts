/** What GVariant values are in JavaScript. */

/**
 * y n q i u h: number; b: boolean; x t: bigint; d: its 64 bits as bigint, so that no NaN changes; s o g: string;
 * `ay`: bytes; v: `Variant`; other arrays: array; `a{…}`: array of pairs in stored order; tuple: array of its members;
 * maybe: array of none or one.
 */
export type Value = number | boolean | bigint | string | Uint8Array | Variant | readonly Value[]

/** A value with its own type, still serialised: it is checked when it is read, and decoded by who needs it. */
export interface Variant {
  readonly type: string
  readonly bytes: Uint8Array
}

/** `a{sv}` in stored order; names may occur twice. */
export type Dictionary = readonly (readonly [name: string, value: Variant])[]
