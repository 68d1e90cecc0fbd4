/**
 * images.json and layers.json (containers-storage.md §1.3). A store has records of many images, by tools of many ages: a
 * field of another type counts as absent, so that it can spoil only the image that it belongs to.
 */
import { storageError } from './storage-error.js'

export interface ImageRecord {
  readonly id: string
  /** Of its manifest. */
  readonly digest: string | undefined
  readonly names: readonly string[]
  /** The top layer; an image may have none. */
  readonly layer: string | undefined
  readonly bigDataDigests: ReadonlyMap<string, string>
}

export interface LayerRecord {
  readonly id: string
  readonly parent: string | undefined
  /** The diff_id, as the storage saw it when it unpacked the layer. */
  readonly diffDigest: string | undefined
  /** The diff_id that the layer is said to have, which nobody checked. */
  readonly expectedDiffId: string | undefined
  /** Bytes of the tar. */
  readonly diffSize: number | undefined
  /** Whether it was pulled in parts, by its table of contents. */
  readonly partial: boolean
  readonly incomplete: boolean
}

/** No JSON file of a storage is larger. */
export const MAX_RECORDS_BYTES = 256 * 1024 * 1024

/** @param file its path, for errors. */
export function parseImageRecords(bytes: Uint8Array, file: string): ImageRecord[] {
  return parseRecords(bytes, file).map((record) => ({
    id: text(record['id']) ?? '',
    digest: text(record['digest']),
    names: Array.isArray(record['names']) ? record['names'].filter((name) => typeof name === 'string') : [],
    layer: text(record['layer']),
    bigDataDigests: stringMap(record['big-data-digests']),
  }))
}

/** @param file its path, for errors. */
export function parseLayerRecords(bytes: Uint8Array, file: string): LayerRecord[] {
  return parseRecords(bytes, file).map((record) => {
    const flags = asObject(record['flags']) ?? {}
    const size = record['diff-size']
    return {
      id: text(record['id']) ?? '',
      parent: text(record['parent']),
      diffDigest: text(record['diff-digest']),
      expectedDiffId: text(flags['expected-layer-diffid']),
      // -1 is unknown, and a tar has at least 512 bytes: 0 is the absent field of a partial pull.
      diffSize: typeof size === 'number' && Number.isSafeInteger(size) && size > 0 ? size : undefined,
      partial: text(record['toc-digest']) !== undefined,
      incomplete: flags['incomplete'] === true,
    }
  })
}

type JsonObject = Readonly<Record<string, unknown>>

/** An empty file is an empty list. */
function parseRecords(bytes: Uint8Array, file: string): JsonObject[] {
  if (bytes.length === 0) return []
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes))
  } catch (cause) {
    throw storageError('STORE_CORRUPT', `${file} is not JSON`, { cause })
  }
  if (value === null) return []
  if (!Array.isArray(value)) throw storageError('STORE_CORRUPT', `${file} is not a list of records`)
  return value.map((item: unknown) => asObject(item)).filter((record) => record !== undefined)
}

function asObject(value: unknown): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function stringMap(value: unknown): ReadonlyMap<string, string> {
  const entries = Object.entries(asObject(value) ?? {})
  return new Map(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}
