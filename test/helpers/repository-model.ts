/** What a repository must hold after a series of operations, and whether it does. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readlinkSync } from 'node:fs'
import { basename, join } from 'node:path'

/** What one image needs, learned from a repository that holds nothing else. */
export interface ImageClosure {
  readonly manifest: string
  /** Names in `streams/` and `images/`. */
  readonly streams: readonly string[]
  readonly images: readonly string[]
  /** Ids of all objects but those of streams: tools differ in how they write a manifest's (repository.md §3.8). */
  readonly objects: readonly string[]
}

/** Names in `streams/` or `images/`, or in a folder of their references; none before the first made the folder. */
export const linkedNames = (folder: string): string[] =>
  (existsSync(folder) ? readdirSync(folder).sort() : []).filter((name) => name !== 'refs')

/** Ids of the objects, without what writers that were killed left behind. */
export function objectIds(repo: string): string[] {
  const folder = join(repo, 'objects')
  return (existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : [])
    .filter((path) => /^[0-9a-f]{2}\/[0-9a-f]+$/.test(path))
    .map((path) => path.replace('/', ''))
    .sort()
}

/** The object that a stream is. */
function streamObject(repo: string, name: string): string {
  const target = readlinkSync(join(repo, 'streams', name))
  return basename(join(target, '..')) + basename(target)
}

/** Tags with the digests of their manifests. */
export function tagsOf(repo: string): Map<string, string> {
  const folder = join(repo, 'streams/refs/oci')
  return new Map(
    linkedNames(folder).map(
      (tag) => [tag, basename(readlinkSync(join(folder, tag))).replace('oci-manifest-', '')] as const,
    ),
  )
}

export function learnClosure(repo: string): ImageClosure {
  const [[, manifest]] = tagsOf(repo)
  const streams = linkedNames(join(repo, 'streams'))
  const ofStreams = new Set(streams.map((name) => streamObject(repo, name)))
  const images = linkedNames(join(repo, 'images'))
  return { manifest, streams, images, objects: objectIds(repo).filter((id) => !ofStreams.has(id)) }
}

export class RepositoryModel {
  /** Tags with their images. */
  readonly tags = new Map<string, ImageClosure>()
  readonly #repo: string

  constructor(repo: string) {
    this.#repo = repo
  }

  /** Nothing that a tag needs is missing, and the tags are those of the model. */
  checkNothingLost(): void {
    const expected = [...this.tags].map(([tag, { manifest }]) => [tag, manifest] as const)
    assert.deepEqual(Object.fromEntries(tagsOf(this.#repo)), Object.fromEntries(expected))
    const present = new Set(objectIds(this.#repo))
    const links = { streams: linkedNames(join(this.#repo, 'streams')), images: linkedNames(join(this.#repo, 'images')) }
    for (const [tag, { streams, images, objects }] of this.tags) {
      for (const id of objects) assert.ok(present.has(id), `${tag} lost object ${id}`)
      for (const name of streams) {
        assert.ok(links.streams.includes(name), `${tag} lost ${name}`)
        assert.ok(present.has(streamObject(this.#repo, name)), `${tag} lost the object of ${name}`)
      }
      for (const name of images) assert.ok(links.images.includes(name), `${tag} lost image ${name}`)
    }
  }

  /** And nothing else is there: as it must be after a collection. */
  checkNothingLeft(): void {
    const live = [...this.tags.values()]
    const all = (key: 'streams' | 'images' | 'objects') => [...new Set(live.flatMap((closure) => closure[key]))].sort()
    const streams = all('streams')
    assert.deepEqual(linkedNames(join(this.#repo, 'streams')), streams)
    assert.deepEqual(linkedNames(join(this.#repo, 'images')), all('images'))
    const objects = new Set([...all('objects'), ...streams.map((name) => streamObject(this.#repo, name))])
    assert.deepEqual(objectIds(this.#repo), [...objects].sort())
  }
}
