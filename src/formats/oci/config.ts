/** The image config: what a container image says of itself. */
import type { Digest } from '../digest.js'
import { parseJsonObject, type JsonFields } from './json-fields.js'
import type { Platform } from './platform.js'

export interface ImageConfig extends Platform {
  /** RFC 3339, as written. */
  readonly created?: string
  readonly labels: ReadonlyMap<string, string>
  /** Digests of the uncompressed layers, in order. */
  readonly diffIds: readonly Digest[]
}

/**
 * Parses a config; `architecture`, `os` and `rootfs` are required, `config` may be null (oci.md §1.5).
 *
 * @throws SluiceError `SLUICE_FORMAT` also where a field that nothing here uses is of another type than in the image
 *   specification: neither `cfsctl` nor other tools could read the image.
 */
export function parseConfig(bytes: Uint8Array, document = 'image config'): ImageConfig {
  const fields = parseJsonObject(bytes, document)
  const variant = fields.optionalString('variant')
  const created = fields.optionalString('created')
  const config = fields.optionalObject('config')
  const rootfs = fields.object('rootfs')
  rootfs.string('type')
  for (const name of ['author', 'os.version']) fields.optionalString(name)
  fields.optionalStrings('os.features')
  fields.optionalObjects('history')?.forEach(checkHistory)
  if (config !== undefined) checkExecution(config)
  return {
    os: fields.string('os'),
    architecture: fields.string('architecture'),
    ...(variant === undefined || variant === '' ? {} : { variant }),
    ...(created === undefined ? {} : { created }),
    labels: config?.optionalStringMap('Labels') ?? new Map(),
    diffIds: rootfs.digests('diff_ids'),
  }
}

function checkHistory(entry: JsonFields): void {
  for (const name of ['created', 'author', 'created_by', 'comment']) entry.optionalString(name)
  entry.optionalBoolean('empty_layer')
}

/** What a container is run with. */
function checkExecution(config: JsonFields): void {
  for (const name of ['User', 'WorkingDir', 'StopSignal']) config.optionalString(name)
  for (const name of ['Env', 'Entrypoint', 'Cmd']) config.optionalStrings(name)
  for (const name of ['ExposedPorts', 'Volumes']) config.optionalObjectMap(name)
}
