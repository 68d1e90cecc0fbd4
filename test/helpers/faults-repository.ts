/** What a repository holds, and whether it came through a fault: nothing that was tagged is lost, nothing is wrong. */
import assert from 'node:assert/strict'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { collectGarbage } from '../../src/pipelines/gc.js'
import { checkOciRepository } from '../../src/pipelines/fsck.js'
import { pullOciImage } from '../../src/pipelines/pull-oci.js'
import type { PullResult } from '../../src/pipelines/pull-events.js'
import { initRepository } from '../../src/repository/init.js'
import { Repository } from '../../src/repository/repository.js'
import { openImageSource } from '../../src/stages/fetch/open.js'
import { layerTar } from './pull.js'
import { OciLayout } from './system-images.js'

/** Names that a writer gives to what is not finished. A killed one leaves them; none of them counts as content. */
const unfinished = /(^|\/)\.(tmp-object|symlink|meta\.json|sluice)(-|\/|$)/

/** Links with their targets, files with their content. */
export function contentOf(repo: string): Map<string, string> {
  const paths = readdirSync(repo, { recursive: true, encoding: 'utf8' })
  return new Map(
    paths
      .filter((path) => !unfinished.test(path))
      .sort()
      .flatMap((path): [string, string][] => {
        const full = join(repo, path)
        const stats = lstatSync(full)
        // Empty ones may stay behind, and any may be missing.
        if (stats.isDirectory()) return []
        return [[path, stats.isSymbolicLink() ? `-> ${readlinkSync(full)}` : readFileSync(full, 'latin1')]]
      }),
  )
}

/** Temporary files and links, journals and parts. */
export function unfinishedIn(repo: string): string[] {
  return readdirSync(repo, { recursive: true, encoding: 'utf8' }).filter((path) => unfinished.test(path))
}

export async function withRepository<T>(path: string, work: (repository: Repository) => Promise<T> | T): Promise<T> {
  const repository = await Repository.open(path)
  try {
    return await work(repository)
  } finally {
    repository.close()
  }
}

export async function emptyRepository(path: string): Promise<void> {
  await initRepository(path, { algorithm: 'sha256', erofsVersion: 1, insecure: true })
}

/** Three layers, a few dozens of files; most are kept inline, one has more than a slab. */
export async function smallLayout(folder: string): Promise<OciLayout> {
  const layout = new OciLayout(folder)
  const inline = Array.from({ length: 12 }, (_, i) => i * 5)
  const layers = [
    [...inline, 64, 65, 5000],
    [...inline, 1_200_000],
    [...inline, 66],
  ]
  const tars = layers.map((sizes, i) => layerTar(`layer${i}`, sizes))
  layout.tag('v1', await layout.image(tars))
  // It shares a layer with the other one.
  layout.tag('v2', await layout.image([tars[0], layerTar('other', [70, 300_000])]))
  return layout
}

export function pullLayout(repository: Repository, layout: OciLayout, tag: string): Promise<PullResult> {
  const open = () => openImageSource(layout.reference(tag), { env: {}, home: '/nonexistent', etc: '/nonexistent' })
  return pullOciImage(repository, open, { tag, threads: 0 })
}

/** Whatever happened to it: nothing in the repository is damaged, and all of the images with a tag is there. */
export async function assertSound(repo: string, when: string): Promise<void> {
  const {
    errors,
    repo: { errors: repositoryErrors },
  } = await withRepository(repo, (it) => checkOciRepository(it))
  assert.deepEqual([...repositoryErrors, ...errors], [], when)
}

/** Collects what no tag needs; then the repository must hold this and nothing else. */
export async function assertCollectsTo(
  repo: string,
  expected: ReadonlyMap<string, string>,
  when: string,
): Promise<void> {
  await withRepository(repo, (it) => collectGarbage(it))
  const content = contentOf(repo)
  assert.deepEqual([...content.keys()], [...expected.keys()], when)
  assert.deepEqual(content, expected, when)
}
