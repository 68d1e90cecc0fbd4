/** EROFS images, dumpfiles, fs-verity digests and manifests. */
import { hash } from 'node:crypto'
import type { HashAlgorithm, ObjectId } from '../../src/formats/digest.js'
import { readDumpfile } from '../../src/formats/dumpfile/read.js'
import { writeDumpfile } from '../../src/formats/dumpfile/write.js'
import { loadErofsTree } from '../../src/formats/erofs/load.js'
import { openErofs } from '../../src/formats/erofs/open.js'
import { writeErofs } from '../../src/formats/erofs/write.js'
import { parseManifest } from '../../src/formats/oci/manifest.js'
import { newDirectory, newLeaf, noXattrs, type Directory, type Stat } from '../../src/formats/tree/tree.js'
import { verityDigest } from '../../src/formats/verity/digest.js'
import type { MicroBenchEntry } from './harness.js'

const TREE_FILES = 10_000
const FILES_IN_DIRECTORY = 25

const stat = (mode: number): Stat => ({ mode, uid: 0, gid: 0, mtime: 1_704_067_200n, mtimeNsec: 0, xattrs: noXattrs })

/** 10,000 files with objects, 25 to a directory, and their 400 directories in 20 others. */
function fileTree(): Directory {
  const root = newDirectory(stat(0o755))
  for (let i = 0; i < TREE_FILES; i++) {
    const number = Math.floor(i / FILES_IN_DIRECTORY)
    const outer = subdirectory(root, `group-${number % 20}`)
    const inner = subdirectory(outer, `package-${number}`)
    const id = hash('sha512', `file ${i}`, 'hex') as ObjectId
    inner.entries.set(`module-${i}.js`, newLeaf(stat(0o644), { type: 'external', id, size: 1000 + i }))
  }
  return root
}

function subdirectory(parent: Directory, name: string): Directory {
  const known = parent.entries.get(name)
  if (known?.kind === 'directory') return known
  const made = newDirectory(stat(0o755))
  parent.entries.set(name, made)
  return made
}

function dumpOf(tree: Directory): Buffer {
  return Buffer.from([...writeDumpfile(tree)].map((line) => `${line}\n`).join(''), 'latin1')
}

function manifestOf(layers: number): Buffer {
  const blob = (name: string, mediaType: string) => ({
    mediaType,
    digest: `sha256:${hash('sha256', name, 'hex')}`,
    size: 123_456,
  })
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: blob('config', 'application/vnd.oci.image.config.v1+json'),
      layers: Array.from({ length: layers }, (_, i) => blob(`${i}`, 'application/vnd.oci.image.layer.v1.tar+gzip')),
    }),
  )
}

function verityBench(algorithm: HashAlgorithm, size: number, sizeName: string): MicroBenchEntry {
  return {
    name: `fs-verity ${algorithm}, ${sizeName}`,
    open: () => {
      const data = Buffer.alloc(size, 0x5a)
      // Several at a time, so that asking for the time of the process costs nothing beside them.
      const items = Math.max(1, Math.floor((256 * 1024) / size))
      const run = () => {
        for (let i = 0; i < items; i++) verityDigest(algorithm, data)
      }
      return { items, bytes: items * size, run }
    },
  }
}

const verityBenches = (['sha256', 'sha512'] as const).flatMap((algorithm) => [
  verityBench(algorithm, 1024, '1 KiB'),
  verityBench(algorithm, 10 * 1024, '10 KiB'),
  verityBench(algorithm, 1024 * 1024, '1 MiB'),
])

export const imageBenches: readonly MicroBenchEntry[] = [
  ...verityBenches,
  {
    name: 'EROFS write',
    open: () => {
      const tree = fileTree()
      return { items: TREE_FILES, run: () => writeErofs(tree, { version: 1 }) }
    },
  },
  {
    name: 'EROFS read',
    open: () => {
      const image = writeErofs(fileTree(), { version: 1 })
      return { items: TREE_FILES, run: () => loadErofsTree(openErofs(image)) }
    },
  },
  {
    name: 'dumpfile write',
    open: () => {
      const tree = fileTree()
      return { items: TREE_FILES, run: () => dumpOf(tree) }
    },
  },
  {
    name: 'dumpfile read',
    open: () => {
      const dump = dumpOf(fileTree())
      return { items: TREE_FILES, run: () => readDumpfile(dump, { algorithm: 'sha512' }) }
    },
  },
  {
    name: 'OCI manifest, 30 layers',
    open: () => {
      const manifest = manifestOf(30)
      return { items: 1, run: () => parseManifest(manifest, 'manifest') }
    },
  },
]
