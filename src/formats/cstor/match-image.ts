/** Which image a name, id or digest means (containers-storage.md §3.1). */
import { canonicalHost, DEFAULT_REGISTRY } from '../oci/registry-name.js'
import { quote } from '../quote.js'
import type { ImageRecord } from './records.js'
import { storageError } from './storage-error.js'

export interface ImageMatch {
  /** Index of the store. */
  readonly store: number
  readonly image: ImageRecord
  /** Those of its names that the reference means; all, if it names none. */
  readonly names: readonly string[]
  /** Whether the reference is an id, and no name. */
  readonly byId: boolean
}

/** What the image has to be, and what one of its names, where that matters. */
interface Rule {
  readonly image?: (image: ImageRecord) => boolean
  readonly name?: (name: string) => boolean
}

/**
 * The image that `reference` means, or undefined. Stores are asked in their order, and in each the rules in theirs.
 *
 * @throws SluiceError `IMAGE_AMBIGUOUS`
 */
export function matchImage(reference: string, stores: readonly (readonly ImageRecord[])[]): ImageMatch | undefined {
  if (reference === '' || reference.startsWith('/') || reference.split('/').includes('..')) return undefined
  const stored = asStored(reference)
  const rules = stored === reference ? rulesOf(reference) : [...rulesOf(reference), ...rulesOf(stored)]
  for (const [store, images] of stores.entries()) {
    for (const rule of rules) {
      const image = onlyOne(
        images.filter(
          (image) => (rule.image?.(image) ?? true) && (rule.name === undefined || image.names.some(rule.name)),
        ),
        reference,
      )
      if (image !== undefined) return { store, image, ...namesMeant(image, rule) }
    }
  }
  return matchPrefix(reference, stores)
}

function namesMeant({ names }: ImageRecord, { name: isMeant }: Rule): Pick<ImageMatch, 'names' | 'byId'> {
  return { names: isMeant === undefined ? names : names.filter(isMeant), byId: isMeant === undefined }
}

/** The digest of a manifest that a reference asks for, or undefined. */
export function statedDigest(reference: string): string | undefined {
  const identity = reference.slice(reference.lastIndexOf('@') + 1)
  return reference.includes('@') && identity.includes(':') ? identity : undefined
}

function rulesOf(reference: string): Rule[] {
  const id = withoutAlgorithm(reference)
  const rules: Rule[] = isImageId(id) ? [{ image: (image) => image.id === id }] : []
  const at = reference.lastIndexOf('@')
  if (at >= 0) rules.push(...identityRules(repositoryOf(reference.slice(0, at)), reference.slice(at + 1)))
  rules.push({ name: (name) => name === reference }, { name: (name) => endsInParts(name, reference) })
  if (at < 0 && !hasTag(reference)) rules.push({ name: (name) => endsInParts(name, `${reference}:latest`) })
  return rules
}

/** The name under which the Go tools store what the public registry has by a shorter one. */
function asStored(reference: string): string {
  const slash = reference.indexOf('/')
  if (slash < 0 || canonicalHost(reference.slice(0, slash)) !== DEFAULT_REGISTRY) return reference
  const path = reference.slice(slash + 1)
  return `${DEFAULT_REGISTRY}/${path.includes('/') ? '' : 'library/'}${path}`
}

/** `@ID`, `NAME@ID`, `NAME@sha256:DIGEST`: an image of that identity which has such a name, too. */
function identityRules(repository: string, identity: string): Rule[] {
  const isId = isImageId(identity)
  const image: Rule['image'] = isId ? ({ id }) => id === identity : (image) => hasManifest(image, identity)
  if (repository === '') return isId ? [{ image }] : []
  return [{ image, name: (name) => endsInParts(repositoryOf(name), repository) }]
}

function hasManifest({ digest, bigDataDigests }: ImageRecord, wanted: string): boolean {
  if (digest === wanted) return true
  return [...bigDataDigests].some(([item, itemDigest]) => item.startsWith('manifest') && itemDigest === wanted)
}

/** 3 to 63 digits of an id, if no other image in any store begins with them. */
function matchPrefix(reference: string, stores: readonly (readonly ImageRecord[])[]): ImageMatch | undefined {
  const prefix = withoutAlgorithm(reference)
  if (!/^[0-9a-f]{3,63}$/.test(prefix)) return undefined
  const matches = stores.flatMap((images, store) =>
    images.filter(({ id }) => id.startsWith(prefix)).map((image) => ({ store, image, ...namesMeant(image, {}) })),
  )
  onlyOne(
    matches.map(({ image }) => image),
    reference,
  )
  return matches[0]
}

function onlyOne(images: readonly ImageRecord[], reference: string): ImageRecord | undefined {
  const ids = new Set(images.map(({ id }) => id))
  if (ids.size <= 1) return images[0]
  const list = images.slice(0, 20).map(({ id, names }) => [id, ...names].map(quote).join(' '))
  throw storageError('IMAGE_AMBIGUOUS', `${quote(reference)} matches ${ids.size} images: ${list.join('; ')}`, {
    hint: 'give the full name with its registry, or the image id',
  })
}

/** Whether `name` is `end`, or ends in `/end`. */
function endsInParts(name: string, end: string): boolean {
  return name === end || name.endsWith(`/${end}`)
}

/** The name without tag and digest. */
export function repositoryOf(name: string): string {
  const bare = name.includes('@') ? name.slice(0, name.indexOf('@')) : name
  return hasTag(bare) ? bare.slice(0, bare.lastIndexOf(':')) : bare
}

function hasTag(name: string): boolean {
  return name.lastIndexOf(':') > name.lastIndexOf('/')
}

function withoutAlgorithm(text: string): string {
  return text.startsWith('sha256:') ? text.slice('sha256:'.length) : text
}

function isImageId(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text)
}
