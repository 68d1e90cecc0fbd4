/** What the virtual machine of a test boots from: an initramfs with busybox and modules, and a root disk with the tools. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { run, runOk } from './system-run.js'
import { projectRoot } from './vectors.js'
import type { VmKernel } from './vm-kernel.js'

/** In the order in which they are loaded; what a kernel has built in is left out. */
const modules = ['virtio_blk', 'libcrc32c', 'netfs', 'erofs', 'overlay']

/** Those of btrfs. */
const btrfsModules = ['xor', 'raid6_pq', 'blake2b_generic', 'xxhash_generic', 'btrfs']

export interface InitramfsOptions {
  readonly btrfs?: boolean
}

/** Writes an initramfs, which loads modules, mounts the root disk and starts the agent on it. */
export async function writeInitramfs(
  folder: string,
  kernel: VmKernel,
  { btrfs = false }: InitramfsOptions = {},
): Promise<string> {
  const content = join(folder, 'initramfs')
  for (const directory of ['bin', 'modules', 'dev', 'proc']) mkdirSync(join(content, directory), { recursive: true })
  cpSync(await locate('busybox'), join(content, 'bin/busybox'))
  writeFileSync(join(content, 'init'), readFileSync(join(projectRoot, 'test/vm/init.sh')), { mode: 0o755 })
  const found = readdirSync(kernel.modules, { recursive: true, encoding: 'utf8' })
  const files = [...modules, ...(btrfs ? btrfsModules : [])]
    .map((name) => found.find((path) => basename(path).startsWith(`${name}.ko`)))
    .filter((path) => path !== undefined)
  for (const file of files) cpSync(join(kernel.modules, file), join(content, 'modules', basename(file)))
  writeFileSync(join(content, 'modules/order'), files.map((file) => `${basename(file)}\n`).join(''))
  const archive = join(folder, 'initramfs.cpio')
  const names = readdirSync(content, { recursive: true, encoding: 'utf8' }).sort()
  writeFileSync(
    archive,
    await runOk('busybox', ['cpio', '-o', '-H', 'newc'], { cwd: content, input: names.join('\n') }),
  )
  return archive
}

/**
 * Writes an ext4 disk with Node, Sluice, cfsctl and busybox, the libraries they need, and the folder `extra` as `/extra`.
 */
export async function writeRootDisk(folder: string, extra: string): Promise<string> {
  const content = join(folder, 'root')
  for (const directory of ['dev', 'proc', 'sys', 'tmp', 'repository', 'mounted', 'usr/bin', 'bin']) {
    mkdirSync(join(content, directory), { recursive: true })
  }
  const programs = {
    'usr/bin/node': process.execPath,
    'usr/bin/cfsctl': await locate('cfsctl'),
    'bin/busybox': await locate('busybox'),
  }
  for (const [target, file] of Object.entries(programs)) cpSync(file, join(content, target), { dereference: true })
  for (const part of ['package.json', 'bin', 'dist/program', 'dist/src', 'dist/test/vm', ...productionPackages()]) {
    cpSync(join(projectRoot, part), join(content, 'sluice', part), { recursive: true })
  }
  const addons = readdirSync(join(content, 'sluice/node_modules'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.node'))
    .map((path) => join(content, 'sluice/node_modules', path))
  for (const library of await librariesOf([...Object.values(programs), ...addons])) {
    cpSync(library, join(content, library), { dereference: true })
  }
  cpSync(extra, join(content, 'extra'), { recursive: true })
  return writeDisk(join(folder, 'root.img'), '400M', ['-d', content])
}

/** Makes an ext4 disk on which files can have fs-verity; nothing is left of one that was there. */
export async function writeDisk(file: string, size: string, options: readonly string[] = []): Promise<string> {
  rmSync(file, { force: true })
  await runOk('mkfs.ext4', ['-q', '-F', '-O', 'verity', '-b', '4096', ...options, file, size])
  return file
}

/** Makes a btrfs disk; nothing is left of one that was there. */
export async function writeBtrfsDisk(file: string, size: string): Promise<string> {
  rmSync(file, { force: true })
  await runOk('truncate', ['-s', size, file])
  await runOk('mkfs.btrfs', ['-q', file])
  return file
}

async function locate(program: string): Promise<string> {
  return (await runOk('sh', ['-c', 'command -v "$0"', program])).toString().trim()
}

/** Shared libraries and the loader, as absolute paths; a static program has none. */
async function librariesOf(files: readonly string[]): Promise<Set<string>> {
  const listed = await Promise.all(files.map((file) => run('ldd', [file])))
  return new Set(listed.flatMap(({ stdout }) => stdout.toString().match(/\/\S+(?= \(0x)/g) ?? []))
}

/** Folders of the packages that Sluice needs when it runs, relative to the project. */
function productionPackages(): string[] {
  const lock = JSON.parse(readFileSync(join(projectRoot, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean }>
  }
  return Object.entries(lock.packages)
    .filter(([path, { dev }]) => path !== '' && dev !== true && existsSync(join(projectRoot, path)))
    .map(([path]) => path)
}
