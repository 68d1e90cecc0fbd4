/** An image of a local containers-storage and its layers, as `openStorageImage` gives them. */
import type { Digest } from '../../formats/digest.js'

export interface StorageOptions {
  /** A graphroot to read instead of those that are looked for. */
  readonly storageRoot?: string
  /** Further stores, asked before those of the configuration. */
  readonly additionalStores?: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  /** Keeps the shared locks until `close`; by default they are held only while metadata is read. */
  readonly holdLock?: boolean
  /** Told the path of a lock file that is waited for, for a minute at most. */
  readonly onWait?: (path: string) => void
  readonly signal?: AbortSignal
}

export interface StorageImage {
  /** A name of the image, or its id if it has none. */
  readonly name: string
  readonly id: string
  /** Those of its names that the reference means; all, if it names none. */
  readonly names: readonly string[]
  /** Whether the reference is an id, and no name. */
  readonly byId: boolean
  /** The digest of a manifest that the reference asks for, if it does. */
  readonly statedDigest: string | undefined
  /** The graphroot it was found in. */
  readonly store: string
  readonly driver: string
  readonly manifest: Buffer
  readonly manifestDigest: Digest
  /** Of the manifest: as it says, or by its fields. */
  readonly manifestMediaType: string
  readonly config: Buffer
  readonly configDigest: Digest
  /** Base first, one for each diff_id of the config; a diff_id that occurs twice has the same layer twice. */
  readonly layers: readonly StorageLayer[]
  /** Sentences for the person who imports. */
  readonly warnings: readonly string[]
  /** Closes everything that is open and gives up locks. */
  close(): void
}

export interface StorageLayer {
  /** Of the storage: not the diff_id. */
  readonly id: string
  readonly diffId: Digest
  /** Bytes of the tar; undefined if the storage does not know. */
  readonly size: number | undefined
  /** Whether the diff_id has to be checked even by who trusts the storage, which never had it checked itself. */
  readonly mustVerify: boolean
  /**
   * The tar of the layer from its beginning, each time it is called. A file is the consumer's: it reads exactly `size` bytes
   * from position 0 and closes the descriptor.
   *
   * @throws SluiceError for all that keeps the layer from being read, only now and not when the image is opened: a layer that the
   *   repository has already needs no data. `details.reason` is the code of containers-storage.md §7.1.
   */
  pieces(options?: { readonly signal?: AbortSignal }): AsyncIterable<LayerPiece>
  /** Whether the storage has lost the layer since the image was opened: reads its records again, under the lock. */
  isVanished(signal?: AbortSignal): Promise<boolean>
  /** Closes what the layer has open; `StorageImage.close` does so for all. */
  close(): void
}

export type LayerPiece =
  | { readonly bytes: Uint8Array; readonly file?: undefined }
  | { readonly file: OpenFile; readonly bytes?: undefined }

export interface OpenFile {
  readonly fd: number
  /** At least 1; the file had exactly this size when it was opened. */
  readonly size: number
  /** Below the layer's directory, for errors. */
  readonly path: string
  /** CRC-64 of the content in base64 (`Crc64`, formats/cstor/crc64.ts); undefined if the storage does not say. */
  readonly crc64: string | undefined
}
