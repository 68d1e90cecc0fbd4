/** Images in an OCI layout: `oci:DIRECTORY[:TAG]`, and with other files below it, `oci-archive:`. */
import { SluiceError, withContext } from '../../errors.js'
import { digestHashName } from '../../formats/digest.js'
import type { Descriptor } from '../../formats/oci/descriptor.js'
import { parseIndex } from '../../formats/oci/manifest.js'
import { chooseLayoutManifest } from './choose-layout-manifest.js'
import type { BlobOptions, DocumentOptions, ImageSource, ManifestOptions, ResolvedManifest } from './image-source.js'
import { readDocument, type LayoutFile, type LayoutFiles } from './layout-files.js'
import { resolveManifest } from './resolve-manifest.js'
import { checkDocumentSize, collect, sizeMismatch, verifyBlob } from './verify-blob.js'

export interface OciLayoutOptions {
  readonly tag?: string
  /** Refuse what the reference refuses: Docker manifests, digests other than sha256. */
  readonly parity: boolean
}

export class OciLayoutSource implements ImageSource {
  readonly description: string
  readonly #files: LayoutFiles
  readonly #options: OciLayoutOptions

  constructor(files: LayoutFiles, description: string, options: OciLayoutOptions) {
    this.description = description
    this.#files = files
    this.#options = options
  }

  async manifest({ signal, platform }: ManifestOptions): Promise<ResolvedManifest> {
    const where = this.description
    const name = `${where}: index.json`
    const index = parseIndex(await readDocument(await this.#open('index.json'), name, signal), name)
    const choice = { ...this.#options, where, ...(platform === undefined ? {} : { platform }) }
    const read = (descriptor: Descriptor) => this.document(descriptor, { signal })
    const chosen = await chooseLayoutManifest(index, choice, read)
    return resolveManifest(await read(chosen), chosen.digest, chosen.mediaType, where)
  }

  async document(descriptor: Descriptor, { signal }: DocumentOptions): Promise<Buffer> {
    checkDocumentSize(descriptor, this.description)
    return collect(this.blob(descriptor, { signal }))
  }

  /** `options.partial` is not used: reading the file again costs nothing. */
  blob(descriptor: Descriptor, options: BlobOptions): AsyncIterable<Uint8Array> {
    return verifyBlob(this.#readBlob(descriptor, options), descriptor, this.description, options.createDigest)
  }

  close(): Promise<void> {
    return this.#files.close()
  }

  async *#readBlob(
    { digest, size }: Descriptor,
    { signal, onProgress, memory }: BlobOptions,
  ): AsyncGenerator<Uint8Array> {
    const algorithm = digestHashName(digest)
    if (this.#options.parity && algorithm !== 'sha256') {
      throw new SluiceError('SLUICE_UNSUPPORTED', `${this.description}: digest ${digest} is not sha256`)
    }
    const file = await this.#open(`blobs/${algorithm}/${digest.slice(algorithm.length + 1)}`)
    try {
      if (file.size !== size) throw sizeMismatch(this.description, digest, size, String(file.size))
      for await (const chunk of file.read(signal, memory)) {
        onProgress?.(chunk.length)
        yield chunk
      }
    } finally {
      await file.close()
    }
  }

  async #open(name: string): Promise<LayoutFile> {
    const file = await this.#files.open(name).catch((error: unknown) => {
      throw withContext(error, this.description)
    })
    if (file !== undefined) return file
    throw new SluiceError(
      'SLUICE_NOT_FOUND',
      `${this.description}: no ${name} in the layout`,
      name === 'index.json' ? { hint: 'is the path that of an OCI layout?' } : {},
    )
  }
}
