/** Images in a registry, or at any of the places that registries.conf names for it. */
import { formatError, SluiceError } from '../../../errors.js'
import { digestHashName, type Digest } from '../../../formats/digest.js'
import { sha256Digest } from '../../../formats/oci/sha256-digest.js'
import type { Descriptor } from '../../../formats/oci/descriptor.js'
import { MAX_DOCUMENT_BYTES } from '../../../formats/oci/json-fields.js'
import { documentMediaType, parseIndex } from '../../../formats/oci/manifest.js'
import { documentKind, MediaType } from '../../../formats/oci/media-types.js'
import { chooseByPlatform, hostPlatform, noInstance, type Platform } from '../../../formats/oci/platform.js'
import { freshMemory } from '../../decompress/output-memory.js'
import type { BlobOptions, DocumentOptions, ImageSource, ManifestOptions, ResolvedManifest } from '../image-source.js'
import { resolveManifest } from '../resolve-manifest.js'
import { checkDocumentSize, collect, embeddedData, verifyBlob, verifyBytes, verifyDigest } from '../verify-blob.js'
import type { HttpClient } from '../http/client.js'
import type { RegistryClient } from './registry-client.js'
import { resumeBlob, type ResumeOptions } from './resume-blob.js'

/** What a registry may answer a manifest request with; schema 1 only so that it can be named in the refusal. */
const ACCEPT_MANIFEST = [
  MediaType.ociManifest,
  MediaType.ociIndex,
  MediaType.dockerManifest,
  MediaType.dockerManifestList,
  MediaType.dockerManifestV1Signed,
  MediaType.dockerManifestV1,
].join(', ')

export interface RegistrySourceOptions {
  readonly description: string
  /** Tag or digest to ask for. */
  readonly version: { readonly tag: string } | { readonly digest: Digest }
  /** Places that may have the image, in the order in which they are asked; not empty. */
  readonly clients: readonly RegistryClient[]
  /** For the `urls` of foreign layers, which no credentials go to. */
  readonly anonymous: HttpClient
  /** Ends what is under way. */
  readonly close: () => Promise<void>
}

export class RegistrySource implements ImageSource {
  readonly description: string
  readonly isRemote = true
  readonly #options: RegistrySourceOptions
  /** The place that had the manifest comes first for blobs. */
  #clients: readonly RegistryClient[]

  constructor(options: RegistrySourceOptions) {
    this.description = options.description
    this.#options = options
    this.#clients = options.clients
  }

  async manifest({ signal, platform }: ManifestOptions): Promise<ResolvedManifest> {
    const failures = new Failures(this.description)
    for (const client of this.#options.clients) {
      try {
        const resolved = await this.#manifestFrom(client, platform ?? hostPlatform(), signal)
        this.#clients = [client, ...this.#options.clients.filter((other) => other !== client)]
        return resolved
      } catch (error) {
        failures.add(client.endpoint.host, error)
      }
    }
    throw failures.error()
  }

  blob(descriptor: Descriptor, options: BlobOptions): AsyncIterable<Uint8Array> {
    return verifyBlob(this.#chunks(descriptor, options), descriptor, this.description, options.createDigest)
  }

  async document(descriptor: Descriptor, { signal }: DocumentOptions): Promise<Buffer> {
    checkDocumentSize(descriptor, this.description)
    return collect(this.blob(descriptor, { signal }))
  }

  close(): Promise<void> {
    return this.#options.close()
  }

  async #manifestFrom(client: RegistryClient, platform: Platform, signal: AbortSignal): Promise<ResolvedManifest> {
    const where = this.description
    const { version } = this.#options
    const fetch = async (name: string) => {
      const { bytes, mediaType } = await client.document(
        `manifests/${name}`,
        ACCEPT_MANIFEST,
        MAX_DOCUMENT_BYTES,
        signal,
      )
      return { bytes, contentType: mediaType }
    }
    const { bytes, contentType } = await fetch('digest' in version ? version.digest : version.tag)
    // The digest is that of the received bytes; what the server says it is does not count.
    if ('digest' in version) verifyDigest(bytes, version.digest, where)
    const digest = 'digest' in version ? version.digest : sha256Digest(bytes)
    const mediaType = this.#typeOf(bytes, contentType, digest)
    const kind = documentKind(mediaType)
    if (kind !== 'index' && kind !== 'docker-index') return resolveManifest(bytes, digest, mediaType, where)

    const { manifests } = parseIndex(bytes, `${where}: index ${digest}`)
    // An instance without a platform is for those that none is for.
    const instance = chooseByPlatform(manifests, platform) ?? manifests.find((entry) => entry.platform === undefined)
    if (instance === undefined) {
      throw noInstance(
        where,
        platform,
        manifests.flatMap((entry) => entry.platform ?? []),
      )
    }
    checkDocumentSize(instance, where)
    const found = await fetch(instance.digest)
    verifyBytes(found.bytes, instance, where)
    const instanceType = this.#typeOf(found.bytes, found.contentType, instance.digest)
    return resolveManifest(found.bytes, instance.digest, instanceType, where)
  }

  #typeOf(bytes: Buffer, contentType: string | undefined, digest: Digest): string {
    return documentMediaType(bytes, contentType, `${this.description}: manifest ${digest}`)
  }

  async *#chunks(descriptor: Descriptor, options: BlobOptions): AsyncGenerator<Uint8Array> {
    const { onProgress, partial } = options
    // Before anything is fetched: a blob that cannot be verified is not wanted.
    digestHashName(descriptor.digest)
    const embedded = embeddedData(descriptor)
    if (embedded !== undefined) {
      onProgress?.(embedded.length)
      yield embedded
      return
    }
    let received = 0
    for await (const chunk of partial ?? []) {
      received += chunk.length
      yield chunk
    }
    if (received > descriptor.size) return
    const failures = new Failures(`${this.description}: blob ${descriptor.digest}`)
    for (const { name, ...transfer } of this.#transfers(descriptor, options, failures)) {
      try {
        for await (const chunk of resumeBlob(descriptor, received, transfer)) {
          received += chunk.length
          yield chunk
        }
        return
      } catch (error) {
        failures.add(name, error)
      }
    }
    throw failures.error()
  }

  /** The ways to get a blob: every place that may have the image, then the addresses of a foreign layer. */
  *#transfers(
    descriptor: Descriptor,
    { signal, validator, onValidator, onProgress, keep, memory = freshMemory }: BlobOptions,
    failures: Failures,
  ): Generator<ResumeOptions & { readonly name: string }> {
    const where = this.description
    const from = (name: string) => ({
      name,
      where,
      signal,
      memory,
      onPiece: (piece: Uint8Array) => {
        onProgress?.(piece.length)
        return keep?.(piece)
      },
      etag: validator?.origin === name ? validator.etag : undefined,
      onEtag: (etag: string) => onValidator?.({ origin: name, etag }),
    })
    for (const client of this.#clients) {
      const request: ResumeOptions['request'] = (headers, signal, accept) =>
        client.receive(`blobs/${descriptor.digest}`, headers, signal, accept)
      yield { ...from(client.endpoint.host), request, retry: client.retry }
    }
    if (!failures.allNotFound) return
    const { retry } = this.#clients[0]
    for (const text of descriptor.urls ?? []) {
      const url = URL.canParse(text) ? new URL(text) : undefined
      if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:')) continue
      url.username = ''
      url.password = ''
      const request: ResumeOptions['request'] = (headers, signal, accept) =>
        this.#options.anonymous.receive({ url, headers, signal, where }, accept)
      yield { ...from(url.host), request, retry }
    }
  }
}

/** What went wrong at each place that was tried. */
class Failures {
  readonly #where: string
  readonly #entries: { readonly place: string; readonly error: SluiceError }[] = []

  constructor(where: string) {
    this.#where = where
  }

  /** Throws at once what no other place can mend. */
  add(place: string, error: unknown): void {
    if (!(error instanceof SluiceError) || error.code === 'SLUICE_CANCELLED') throw error
    this.#entries.push({ place, error })
  }

  get allNotFound(): boolean {
    return this.#entries.every(({ error }) => error.code === 'SLUICE_NOT_FOUND')
  }

  error(): SluiceError {
    const last = this.#entries.at(-1)
    if (last === undefined) return formatError(this.#where, 'there is no place to get it from')
    if (this.#entries.length === 1) return last.error
    const { code, hint, retryable, details } = last.error
    const tried = this.#entries.map(({ place, error }) => `${place}: ${error.message.replace(`${this.#where}: `, '')}`)
    return new SluiceError(code, `${this.#where}: no place has it: ${tried.join('; ')}`, {
      cause: last.error,
      retryable,
      details,
      ...(hint === undefined ? {} : { hint }),
    })
  }
}
