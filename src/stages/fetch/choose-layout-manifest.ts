/**
 * Which manifest of an OCI layout a reference means (oci.md §1.3): candidates in the order of `index.json`, and the first
 * one for the platform wins, so two entries with one tag act as a multi-arch index.
 */
import { formatError, SluiceError } from '../../errors.js'
import { parseConfig } from '../../formats/oci/config.js'
import type { Descriptor } from '../../formats/oci/descriptor.js'
import { isImageConfig } from '../../formats/oci/diff-ids.js'
import { parseIndex, parseManifest, schema1Refused, type ImageIndex } from '../../formats/oci/manifest.js'
import { DELTA_ARTIFACT_TYPE, documentKind, MediaType, REF_NAME_ANNOTATION } from '../../formats/oci/media-types.js'
import {
  chooseByPlatform,
  hostPlatform,
  matchesPlatform,
  noInstance,
  type Platform,
} from '../../formats/oci/platform.js'
import { quote } from '../../formats/quote.js'

export interface LayoutChoice {
  /** The name after the path; undefined means any entry. */
  readonly tag?: string
  /** A platform with a variant is matched with regard to variants, any other by os and architecture alone. */
  readonly platform?: Platform
  /** Refuse Docker manifests, as the reference does. */
  readonly parity: boolean
  readonly where: string
}

/** Reads a document of the layout, verified. */
export type ReadDocument = (descriptor: Descriptor) => Promise<Buffer>

interface Candidate {
  readonly descriptor: Descriptor
  readonly platform: Platform
}

/** @throws SluiceError `SLUICE_NOT_FOUND` if no entry has the tag or none is for the platform. */
export async function chooseLayoutManifest(
  index: ImageIndex,
  choice: LayoutChoice,
  read: ReadDocument,
): Promise<Descriptor> {
  const delta = await findDelta(index, choice.where, read)
  if (delta !== undefined) return delta
  const { tag, where } = choice
  const entries = index.manifests.filter(
    ({ annotations }) => tag === undefined || annotations?.get(REF_NAME_ANNOTATION) === tag,
  )
  if (entries.length === 0) {
    throw new SluiceError(
      'SLUICE_NOT_FOUND',
      tag === undefined ? `${where}: the layout has no images` : `${where}: Tag '${tag}' not found in image index`,
    )
  }
  const wanted = choice.platform ?? hostPlatform()
  const offered: Candidate[] = []
  for await (const candidate of candidates(entries, choice, read)) {
    if (wanted.variant === undefined && matchesPlatform(wanted, candidate.platform)) return candidate.descriptor
    offered.push(candidate)
  }
  const best = wanted.variant === undefined ? undefined : chooseByPlatform(offered, wanted)
  if (best === undefined)
    throw noInstance(
      where,
      wanted,
      offered.map(({ platform }) => platform),
    )
  return best.descriptor
}

/** A layout that holds nothing but a delta: tag and platform play no role. */
async function findDelta(index: ImageIndex, where: string, read: ReadDocument): Promise<Descriptor | undefined> {
  const [only, ...others] = index.manifests
  if (only === undefined || others.length > 0 || only.mediaType !== MediaType.ociManifest) return undefined
  const manifest = parseManifest(await read(only), `${where}: manifest ${only.digest}`)
  return manifest.artifactType === DELTA_ARTIFACT_TYPE ? only : undefined
}

/** Every manifest that has a platform, in order; an index among the entries is replaced by its instances. */
async function* candidates(
  entries: readonly Descriptor[],
  choice: LayoutChoice,
  read: ReadDocument,
  nested = false,
): AsyncGenerator<Candidate> {
  const { where } = choice
  for (const descriptor of entries) {
    const { digest, mediaType } = descriptor
    const kind = documentKind(mediaType)
    if (kind === 'docker-schema1') throw schema1Refused(`${where}: ${digest}`)
    const docker = kind === 'docker-manifest' || kind === 'docker-index'
    if (kind === 'other' || (docker && choice.parity)) {
      const unsupported = `the unsupported media type ${quote(mediaType)}`
      throw new SluiceError('SLUICE_UNSUPPORTED', `${where}: ${digest} has ${unsupported}`)
    }
    if (kind === 'index' || kind === 'docker-index') {
      if (nested) throw formatError(where, `${digest} is an image index inside an image index`)
      const instances = parseIndex(await read(descriptor), `${where}: index ${digest}`).manifests
      yield* candidates(instances, choice, read, true)
    } else {
      const platform = descriptor.platform ?? (await platformOfConfig(descriptor, where, read))
      if (platform !== undefined) yield { descriptor, platform }
    }
  }
}

/** The platform that the config states; undefined for artifacts, which have none. */
async function platformOfConfig(
  descriptor: Descriptor,
  where: string,
  read: ReadDocument,
): Promise<Platform | undefined> {
  const { config } = parseManifest(await read(descriptor), `${where}: manifest ${descriptor.digest}`)
  const isDocker = documentKind(descriptor.mediaType) === 'docker-manifest'
  if (!isImageConfig(config.mediaType) && !(isDocker && config.mediaType === MediaType.dockerConfig)) return undefined
  return parseConfig(await read(config), `${where}: config ${config.digest}`)
}
