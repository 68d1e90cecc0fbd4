/** The image config: what a container image says of itself. */
import type { Digest } from '../digest.js'
import { parseJsonObject } from './json-fields.js'
import type { Platform } from './platform.js'

export interface ImageConfig extends Platform {
  /** RFC 3339, as written. */
  readonly created?: string
  readonly labels: ReadonlyMap<string, string>
  /** Digests of the uncompressed layers, in order. */
  readonly diffIds: readonly Digest[]
}

/** Parses a config; `architecture`, `os` and `rootfs` are required, `config` may be null (oci.md §1.5). */
export function parseConfig(bytes: Uint8Array, document = 'image config'): ImageConfig {
  const fields = parseJsonObject(bytes, document)
  const variant = fields.optionalString('variant')
  const created = fields.optionalString('created')
  return {
    os: fields.string('os'),
    architecture: fields.string('architecture'),
    ...(variant === undefined || variant === '' ? {} : { variant }),
    ...(created === undefined ? {} : { created }),
    labels: fields.optionalObject('config')?.optionalStringMap('Labels') ?? new Map(),
    diffIds: fields.object('rootfs').digests('diff_ids'),
  }
}
