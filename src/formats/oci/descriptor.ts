/** Descriptors: how OCI documents point at blobs. */
import type { Digest } from '../digest.js'
import type { JsonFields } from './json-fields.js'
import { parsePlatformFields, type Platform } from './platform.js'

export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  /** Bytes of the blob as stored. */
  readonly size: number
  /** The blob itself in base64; may be used when it has the digest. */
  readonly data?: string
  readonly urls?: readonly string[]
  readonly annotations?: ReadonlyMap<string, string>
  readonly platform?: Platform
  readonly artifactType?: string
}

export function parseDescriptor(fields: JsonFields): Descriptor {
  const data = fields.optionalString('data')
  const annotations = fields.optionalStringMap('annotations')
  const platform = fields.optionalObject('platform')
  const artifactType = fields.optionalString('artifactType')
  return {
    mediaType: fields.string('mediaType'),
    digest: fields.digest('digest'),
    size: fields.integer('size'),
    ...(data === undefined ? {} : { data }),
    ...(fields.has('urls') ? { urls: fields.strings('urls') } : {}),
    ...(annotations === undefined ? {} : { annotations }),
    ...(platform === undefined ? {} : { platform: parsePlatformFields(platform) }),
    ...(artifactType === undefined ? {} : { artifactType }),
  }
}
