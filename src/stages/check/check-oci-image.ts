/** Whether a tagged image or artifact is whole: its documents, its layers, its seal (oci.md §5.5, repository.md §6). */
import { createHash } from 'node:crypto'
import { closeSync, readlinkSync } from 'node:fs'
import { utf8ByteString } from '../../formats/bytes.js'
import { digestHashName, type Digest, type ObjectId } from '../../formats/digest.js'
import { parseConfig } from '../../formats/oci/config.js'
import { isContainerImage } from '../../formats/oci/diff-ids.js'
import { parseManifest, type Manifest } from '../../formats/oci/manifest.js'
import { contentType } from '../../formats/splitstream/format.js'
import { requireObjectLink } from '../../repository/link-listing.js'
import { streamName } from '../../repository/names.js'
import type { OpenStream, Repository } from '../../repository/repository.js'
import { readDocument } from '../../repository/stored-image.js'
import { reasonOf, type Findings, type Problem } from './findings.js'

/** The label by which older tools sealed an image: the hex id of its EROFS image (oci.md §6). */
const SEAL_LABEL = 'containers.composefs.fsverity'

/**
 * Checks one image, up to the first document that cannot be used. What is in the layers is not looked at.
 *
 * @param tag names it in error lines.
 * @param digest of its manifest.
 */
export function checkOciImage(repository: Repository, tag: string, digest: Digest, findings: Findings): void {
  const errors = findings.errors.length
  new OciImageCheck(repository, tag, findings).run(digest)
  findings.checked++
  if (findings.errors.length > errors) findings.corrupted++
}

/** A document whose digest is right. */
interface CheckedDocument {
  readonly bytes: Buffer
  readonly namedRefs: ReadonlyMap<string, ObjectId>
}

class OciImageCheck {
  readonly #repository: Repository
  readonly #tag: string
  readonly #findings: Findings

  constructor(repository: Repository, tag: string, findings: Findings) {
    this.#repository = repository
    this.#tag = tag
    this.#findings = findings
  }

  run(digest: Digest): void {
    const name = streamName.manifest(digest)
    const document = this.#document('manifest', digest, () => this.#openManifest(name))
    const manifest = document && this.#parse('manifest', () => parseManifest(document.bytes, `manifest ${digest}`))
    if (document === undefined || manifest === undefined) return

    // By its object, as every reader goes: the name may be that of another stream by now.
    const { digest: configDigest } = manifest.config
    const configStream = document.namedRefs.get(`config:${configDigest}`)
    if (configStream === undefined) return this.#error('config-ref-missing', configDigest)
    const openConfig = () =>
      this.#repository.openStreamObject(configStream, `config ${configDigest}`, contentType.config)
    const config = this.#document('config', configDigest, openConfig)
    if (config === undefined) return
    if (isContainerImage(manifest)) this.#checkContainer(config)
    else this.#checkArtifact(manifest, document)
  }

  #checkContainer(document: CheckedDocument): void {
    const config = this.#parse('config', () => parseConfig(document.bytes))
    if (config === undefined) return
    for (const diffId of config.diffIds) {
      const stream = document.namedRefs.get(diffId)
      if (stream === undefined) {
        this.#error('layer-ref-missing', diffId)
        continue
      }
      this.#checkLayerLink(diffId)
      this.#checkObject('layer-object-missing', diffId, stream)
    }
    const seal = config.labels.get(SEAL_LABEL)
    if (seal !== undefined) this.#checkSeal(seal)
  }

  #checkArtifact(manifest: Manifest, { namedRefs }: CheckedDocument): void {
    for (const { digest } of manifest.layers) {
      const stream = namedRefs.get(digest)
      if (stream === undefined) this.#error('artifact-layer-ref-missing', digest)
      else this.#checkObject('artifact-layer-object-missing', digest, stream)
    }
  }

  #document(kind: 'manifest' | 'config', digest: Digest, open: () => OpenStream): CheckedDocument | undefined {
    let document: CheckedDocument
    let actual: string
    try {
      const stream = open()
      stream.close()
      document = { bytes: readDocument(this.#repository, stream, kind), namedRefs: stream.namedRefs }
      const hash = digestHashName(digest)
      actual = `${hash}:${createHash(hash).update(document.bytes).digest('hex')}`
    } catch (error) {
      this.#error(`${kind}-read-failed`, reasonOf(error))
      return undefined
    }
    if (actual === digest) return document
    this.#error(`${kind}-digest-mismatch`, `expected ${digest}, got ${actual}`)
    return undefined
  }

  #parse<T>(kind: 'manifest' | 'config', parse: () => T): T | undefined {
    try {
      return parse()
    } catch (error) {
      this.#error(`${kind}-parse-failed`, reasonOf(error))
      return undefined
    }
  }

  #openManifest(name: string): OpenStream {
    const stream = this.#repository.openStream(name, contentType.manifest)
    try {
      requireObjectLink(this.#repository.path, `streams/${utf8ByteString(name)}`, stream.id)
      return stream
    } catch (error) {
      stream.close()
      throw error
    }
  }

  /** Reports a layer without a link, and what is wrong with the link. */
  #checkLayerLink(diffId: Digest): void {
    const { streams } = this.#repository
    const name = streamName.layer(diffId)
    try {
      if (streams.objectOf(name) === undefined) return this.#error('layer-stream-missing', diffId)
      const target = readlinkSync(streams.path(name))
      if (!target.startsWith('../')) this.#error('layer-check-failed', diffId, `${target} is not relative to streams`)
    } catch (error) {
      this.#error('layer-check-failed', diffId, reasonOf(error))
    }
  }

  #checkObject(problem: Problem, digest: Digest, id: ObjectId): void {
    try {
      closeSync(this.#repository.objects.open(id))
    } catch (error) {
      this.#error(problem, digest, reasonOf(error))
    }
  }

  #checkSeal(seal: string): void {
    try {
      closeSync(this.#repository.objects.open(this.#repository.findImage(seal)))
    } catch (error) {
      this.#error('seal-image-missing', seal, reasonOf(error))
    }
  }

  #error(problem: Problem, ...parts: readonly string[]): void {
    this.#findings.error(problem, this.#tag, ...parts)
  }
}
