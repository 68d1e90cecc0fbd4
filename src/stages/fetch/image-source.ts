/** Where images come from: one interface for registries, OCI layouts and archives, and local stores. */
import type { Digest } from '../../formats/digest.js'
import type { Descriptor } from '../../formats/oci/descriptor.js'
import type { Manifest } from '../../formats/oci/manifest.js'
import type { Platform } from '../../formats/oci/platform.js'
import type { OutputMemory } from '../decompress/output-memory.js'
import type { StorageLayer } from '../containers-storage/storage-image.js'
import type { CreateBlobDigest } from './verify-blob.js'
import type { BlobValidator } from '../../repository/parts/part-journal.js'

export interface ResolvedManifest {
  /** Exactly the bytes that `digest` is of. */
  readonly bytes: Buffer
  readonly digest: Digest
  readonly manifest: Manifest
  /** Digest of the Docker manifest that this OCI manifest was converted from (oci.md §1.8). */
  readonly convertedFrom?: Digest
}

export interface BlobOptions {
  readonly signal: AbortSignal
  /** Called with the number of bytes of each piece that arrives, before decompression. */
  readonly onProgress?: (bytes: number) => void
  /** Takes each piece that came over a network, before it is checked: see `BodySink`. */
  readonly keep?: (bytes: Uint8Array) => Promise<void> | undefined
  /**
   * What an earlier run received: yielded first and checked with the rest, of which only what is missing is fetched.
   * It must be the beginning of the blob; if it is not, the digest will not fit. Not counted by `onProgress`.
   */
  readonly partial?: AsyncIterable<Uint8Array>
  /** With `partial`: by what its origin recognises that the blob is the same. */
  readonly validator?: BlobValidator
  /** Called when a transfer starts that can be gone on with under this validator. */
  readonly onValidator?: (validator: BlobValidator) => void
  /** Where to put what is read, if that saves a copy; with `createDigest` only. */
  readonly memory?: OutputMemory
  /** Computes the digest elsewhere. */
  readonly createDigest?: CreateBlobDigest
}

export interface DocumentOptions {
  readonly signal: AbortSignal
}

export interface ManifestOptions {
  readonly signal: AbortSignal
  /** Default: the platform of this host. */
  readonly platform?: Platform
}

/**
 * Every method rejects with `SLUICE_CANCELLED` soon after its signal is aborted, and names the reference and the digest
 * concerned in its errors.
 */
export interface ImageSource {
  /** The reference, without secrets. */
  readonly description: string
  /** Whether blobs come over a network, so that it is worth to keep what arrived of them. */
  readonly isRemote?: boolean
  /** What the person who pulls should know. */
  readonly warnings?: readonly string[]
  /** The layer as files of this host; where there is this, there are no blobs of layers. */
  readonly localLayer?: (diffId: Digest) => StorageLayer
  /** The manifest for a platform: instances of an index are chosen, Docker manifests converted. */
  manifest(options: ManifestOptions): Promise<ResolvedManifest>
  /**
   * The bytes of a blob, in chunks that are good until the next one is asked for if `createDigest` is given. Iteration
   * completes only after size and digest were found right; it fails as soon as more bytes than the descriptor states arrive.
   */
  blob(descriptor: Descriptor, options: BlobOptions): AsyncIterable<Uint8Array>
  /** A blob of at most 4 MiB in one piece, verified. */
  document(descriptor: Descriptor, options: DocumentOptions): Promise<Buffer>
  close(): Promise<void>
}
