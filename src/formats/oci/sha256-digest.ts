import { createHash } from 'node:crypto'
import type { Digest } from '../digest.js'

/** The digest that a blob of these bytes is known by. */
export function sha256Digest(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest
}
