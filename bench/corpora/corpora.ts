/** The images that the benches pull, each an OCI layout with one tag: its name. */
import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { SluiceError } from '../../src/errors.js'
import { projectRoot } from '../../test/helpers/vectors.js'
import { buildLayer, writeImage, type BuiltLayer, type LayerSource } from '../support/build-layout.js'
import { debianBase, debianPackages, notPartOfBase } from './debian-tree.js'
import { npmTree, npmTreeTime } from './npm-tree.js'
import { packTree } from './pack-tree.js'
import { syntheticLayer } from './synthetic-layer.js'

/** Builds a layer into a layout; `work` is where trees may lie until all is built. */
type LayerBuilder = (layout: string, work: string) => Promise<BuiltLayer>

/** Bytes of the smallest layer of the memory bench. */
const SYNTHETIC_BYTES = 64 * 1024 ** 2

const compilers = ['linux-image-amd64', 'gcc', 'g++', 'gfortran', 'gnat', 'gdc', 'clang', 'make']
const java = ['openjdk-17-jdk', 'openjdk-17-source']

const layerBuilders = {
  base: async (layout, work) => {
    const tree = join(work, 'debian')
    await debianBase(tree)
    return packTree(layout, tree, { exclude: notPartOfBase })
  },
  compilers: async (layout, work) => {
    const base = join(work, 'debian')
    await debianBase(base)
    return packTree(layout, await debianPackages(base, 'compilers', compilers), {}, false)
  },
  java: async (layout, work) => {
    const base = join(work, 'debian')
    await debianBase(base)
    return packTree(layout, await debianPackages(base, 'java', java, ['compilers']), {}, false)
  },
  modules: async (layout, work) => {
    const tree = join(work, 'modules')
    await npmTree(tree)
    return packTree(layout, tree, { uniformTime: npmTreeTime })
  },
  node: (layout) => buildLayer(layout, nodeInstallation()),
  project: (layout) =>
    buildLayer(layout, [{ from: join(projectRoot, 'node_modules'), to: 'usr/lib/app/node_modules' }]),
  'layer-x1': (layout) => syntheticLayer(layout, SYNTHETIC_BYTES),
  'layer-x4': (layout) => syntheticLayer(layout, 4 * SYNTHETIC_BYTES),
  'layer-x16': (layout) => syntheticLayer(layout, 16 * SYNTHETIC_BYTES),
} satisfies Record<string, LayerBuilder>

type LayerName = keyof typeof layerBuilders

/** What is on any machine that runs this. */
function nodeInstallation(): LayerSource[] {
  const npm = join(dirname(process.execPath), '../lib/node_modules/npm')
  const sources = [{ from: process.execPath, to: 'usr/bin/node' }]
  return existsSync(npm) ? [...sources, { from: npm, to: 'usr/lib/node_modules/npm' }] : sources
}

const images: Readonly<Record<string, readonly LayerName[]>> = {
  quick: ['node', 'project'],
  os: ['base', 'compilers', 'java'],
  node: ['base', 'modules'],
  'layer-x1': ['layer-x1'],
  'layer-x4': ['layer-x4'],
  'layer-x16': ['layer-x16'],
}

export const corpusNames = Object.keys(images)
/** Images of one layer each, whose sizes are as 1 to 4 to 16. */
export const memoryCorpusNames = corpusNames.filter((name) => name.startsWith('layer-'))

/** An image that is there. */
export interface Corpus {
  readonly name: string
  /** The OCI layout, an absolute path; the tag in it is the corpus' name. */
  readonly layout: string
  readonly manifestDigest: string
  readonly layers: readonly BuiltLayer[]
}

/** @throws SLUICE_NOT_FOUND if it has not been built below this folder. */
export function openCorpus(folder: string, name: string): Corpus {
  const layout = resolve(folder, name)
  const list = layersFile(layout)
  if (!existsSync(list)) {
    throw new SluiceError('SLUICE_NOT_FOUND', `no corpus ${name} in ${folder}`, {
      hint: `build it: sluice bench corpora --dir ${folder} ${name}`,
    })
  }
  const read = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as unknown
  const { manifests } = read(join(layout, 'index.json')) as { manifests: { digest: string }[] }
  return { name, layout, manifestDigest: manifests[0].digest, layers: read(list) as BuiltLayer[] }
}

/** The file of a blob of the layout. */
export function blobPath(layout: string, digest: string): string {
  return join(layout, 'blobs', digest.replace(':', '/'))
}

/** Builds the corpora that are not there yet. Trees and layers of several images are made once. */
export async function buildCorpora(
  folder: string,
  names: readonly string[],
  say: (text: string) => void,
): Promise<Corpus[]> {
  const work = join(folder, '.work')
  const missing = names.filter((name) => !existsSync(layersFile(join(folder, name))))
  for (const name of missing) {
    const partial = join(folder, `.${name}.partial`)
    rmSync(partial, { recursive: true, force: true })
    const layers = []
    for (const layer of images[name] ?? []) {
      say(`${name}: layer ${layer}`)
      layers.push(await addLayer(partial, folder, layer))
    }
    writeImage(partial, layers, name)
    writeFileSync(layersFile(partial), `${JSON.stringify(layers, undefined, 2)}\n`)
    renameSync(partial, join(folder, name))
  }
  rmSync(work, { recursive: true, force: true })
  return names.map((name) => openCorpus(folder, name))
}

const layersFile = (layout: string) => join(layout, 'layers.json')

/** Takes the layer from those already built below the folder, which all images share, or builds it there. */
async function addLayer(layout: string, folder: string, name: LayerName): Promise<BuiltLayer> {
  const shared = join(folder, '.layers')
  const description = join(shared, `${name}.json`)
  if (!existsSync(description)) {
    mkdirSync(join(folder, '.work'), { recursive: true })
    const built = await layerBuilders[name](shared, join(folder, '.work'))
    writeFileSync(description, JSON.stringify(built))
  }
  const layer = JSON.parse(readFileSync(description, 'utf8')) as BuiltLayer
  mkdirSync(join(layout, 'blobs/sha256'), { recursive: true })
  linkSync(blobPath(shared, layer.digest), blobPath(layout, layer.digest))
  return layer
}
