import { addBytes, patchSteps } from '../../src/formats/ostree/delta/bspatch.js'

/** Applies a whole patch in memory. */
export function applyPatch(old: Uint8Array, patch: Uint8Array, newSize: number): Buffer {
  const pieces: Uint8Array[] = []
  for (const { oldOffset, diff, extra } of patchSteps(patch, old.length, newSize)) {
    const sum = Buffer.alloc(diff.length)
    addBytes(old.subarray(oldOffset, oldOffset + diff.length), diff, sum)
    pieces.push(sum, extra)
  }
  return Buffer.concat(pieces)
}
