/** Where the tools pull from: the layout itself, or a registry on loopback that has its blobs. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseManifest } from '../../src/formats/oci/manifest.js'
import { DockerRegistry } from '../../test/helpers/system-registry.js'
import { blobPath, type Corpus } from '../corpora/corpora.js'
import { findProgram, runProgram } from '../support/programs.js'

export const sourceNames = ['registry', 'layout'] as const
export type SourceName = (typeof sourceNames)[number]

/** `oci:DIR:TAG`, as all tools understand it. */
export function layoutReference({ layout, name }: Corpus): string {
  return `oci:${layout}:${name}`
}

export interface RegistrySource extends AsyncDisposable {
  /** `host:port`. */
  readonly host: string
  /** What serves, for the report. */
  readonly version: string
  /** `docker://HOST/bench/NAME:NAME`. */
  reference(corpus: Corpus): string
}

/** Serves the corpora: by Debian's docker-registry if it is installed, else by the registry of the tests. */
export async function openRegistry(folder: string, corpora: readonly Corpus[]): Promise<RegistrySource> {
  const installed = findProgram('docker-registry') !== undefined
  const server = await (installed ? startDockerRegistry(folder, corpora) : startEmbeddedRegistry(corpora))
  return { ...server, reference: ({ name }) => `docker://${server.host}/bench/${name}:${name}` }
}

type Server = Omit<RegistrySource, 'reference'>

async function startDockerRegistry(folder: string, corpora: readonly Corpus[]): Promise<Server> {
  for (const corpus of corpora) placeImage(join(folder, 'registry'), corpus)
  const registry = new DockerRegistry(folder)
  await registry.start()
  const version = (await runProgram('docker-registry', ['--version'])).trim()
  return { host: registry.address, version, [Symbol.asyncDispose]: () => registry.stop() }
}

/** Puts an image where docker-registry looks for it; blobs are symlinks into the layout. */
function placeImage(root: string, { layout, name, manifestDigest: digest }: Corpus): void {
  const top = join(root, 'docker/registry/v2')
  const repository = join(top, 'repositories/bench', name)
  const link = (path: string, digest: string) => write(join(repository, path, 'link'), digest)
  const manifest = parseManifest(readFileSync(blobPath(layout, digest)), layout)
  for (const each of [digest, manifest.config.digest, ...manifest.layers.map((layer) => layer.digest)]) {
    const [algorithm, hex] = each.split(':')
    const blob = join(top, 'blobs', algorithm, hex.slice(0, 2), hex)
    // Images share layers.
    mkdirSync(blob, { recursive: true })
    symlinkOnce(blobPath(layout, each), join(blob, 'data'))
    if (each !== digest) link(`_layers/${algorithm}/${hex}`, each)
  }
  const [algorithm, hex] = digest.split(':')
  link(`_manifests/revisions/${algorithm}/${hex}`, digest)
  link(`_manifests/tags/${name}/current`, digest)
  link(`_manifests/tags/${name}/index/${algorithm}/${hex}`, digest)
}

function write(file: string, content: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, content)
}

function symlinkOnce(target: string, path: string): void {
  try {
    symlinkSync(target, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/** In a process of its own, as any registry is. */
async function startEmbeddedRegistry(corpora: readonly Corpus[]): Promise<Server> {
  const program = fileURLToPath(new URL('./embedded-registry.js', import.meta.url))
  const layouts = corpora.flatMap(({ name, layout }) => [name, layout])
  const child = spawn(process.execPath, [program, ...layouts], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [host] = (await once(createInterface(child.stdout), 'line')) as [string]
  return { host, version: "the tests' registry", [Symbol.asyncDispose]: () => end(child) }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}
