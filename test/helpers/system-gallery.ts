/** One layout with an image of every maker, for the tests that put the same images through several tools. */
import { appendFileSync, cpSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Buildah, OciLayout, richLayers, umociImage } from './system-images.js'
import { runOk } from './system-run.js'
import { writeBaseLayer } from './system-rootfs.js'

export const galleryTools = ['zstd', 'buildah'] as const

export interface Gallery {
  readonly layout: OciLayout
  readonly tags: readonly string[]
  /** The layer archives of the tags `rich…`. */
  readonly layers: readonly Buffer[]
}

export async function makeGallery(scratch: string): Promise<Gallery> {
  const layout = new OciLayout(join(scratch, 'layout'))
  const layers = await richLayers(scratch)
  layout.tag('rich', await layout.image(layers))
  layout.tag('rich-plain', await layout.image(layers, { compression: 'none' }))
  layout.tag('rich-zstd', await layout.image(layers, { compression: 'zstd' }))
  const foreign = await layout.image(layers.slice(0, 1), { arch: 'riscv64' })
  layout.tag('several', layout.index([foreign, await layout.image(layers.slice(0, 2))]))

  const base = join(scratch, 'base')
  await umociImage(
    layout,
    'by-umoci',
    scratch,
    async (root) => {
      await runOk('cp', ['-a', `${base}/.`, root])
    },
    async (root) => {
      rmSync(join(root, 'usr/lib/size-513'))
      rmSync(join(root, 'var/lib/whiteout'), { recursive: true })
      appendFileSync(join(root, 'etc/passwd'), 'added\n')
    },
  )

  // buildah's copy follows its own mind about devices and attributes: what counts is that all readers agree on the result.
  const plain = join(scratch, 'plain')
  await writeBaseLayer(plain)
  for (const device of ['fifo', 'null', 'disk']) rmSync(join(plain, 'var/lib', device))
  mkdirSync(join(scratch, 'buildah'))
  await new Buildah(join(scratch, 'buildah')).image(plain, 'oci', layout.reference('by-buildah'))
  return { layout, layers, tags: ['rich', 'rich-plain', 'rich-zstd', 'several', 'by-umoci', 'by-buildah'] }
}

/** A copy of the layout that lacks every layer: enough to pull again what is there, and for nothing else. */
export function withoutLayers(layout: OciLayout, folder: string): OciLayout {
  cpSync(layout.folder, folder, { recursive: true })
  const copy = new OciLayout(folder)
  const digests = ['rich', 'by-umoci', 'by-buildah'].flatMap((tag) => copy.layersOf(tag).map(({ digest }) => digest))
  for (const digest of digests) rmSync(join(folder, 'blobs', digest.replace(':', '/')), { force: true })
  return copy
}
