/** Where repositories of a bench lie: a folder on the wanted file system, which goes away with all in it. */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, statfsSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SluiceError } from '../../src/errors.js'
import { findProgram, runProgram } from '../support/programs.js'

export const fileSystemNames = ['tmpfs', 'xfs', 'ext4', 'here'] as const
export type FileSystemName = (typeof fileSystemNames)[number]

export interface BenchFolder extends AsyncDisposable {
  readonly path: string
  /** Ends what earlier turns left to be done: each is to find the same disk. */
  settle(): Promise<void>
}

export interface PlaceOptions {
  /** A folder, for `here`. */
  readonly here: string
  /** A folder for the images of `xfs` and `ext4`; their blocks are taken as they are written. */
  readonly images: string
}

/** In memory where that is possible: what is measured then is the file system, and not the disk below. */
export const defaultPlaces: PlaceOptions = { here: tmpdir(), images: existsSync('/dev/shm') ? '/dev/shm' : tmpdir() }

const TMPFS = '/dev/shm'
const TMPFS_MAGIC = 0x0102_1994
/** Bytes of a loop file system: several times the largest corpus. */
const IMAGE_BYTES = 12 * 1024 ** 3

/** Why the file system cannot be had here, or undefined. */
export function whyNoFileSystem(name: FileSystemName): string | undefined {
  if (name === 'here') return undefined
  if (name === 'tmpfs') return isTmpfs(TMPFS) ? undefined : `${TMPFS} is no tmpfs`
  if (process.getuid?.() !== 0) return 'mounting a loop device needs root'
  const absent = [`mkfs.${name}`, 'mount', 'umount', 'fstrim'].filter((program) => findProgram(program) === undefined)
  return absent.length > 0 ? `${absent.join(', ')} not installed` : undefined
}

const isTmpfs = (path: string) => existsSync(path) && statfsSync(path).type === TMPFS_MAGIC

export async function openFileSystem(name: FileSystemName, places: PlaceOptions = defaultPlaces): Promise<BenchFolder> {
  const reason = whyNoFileSystem(name)
  if (reason !== undefined) throw new SluiceError('SLUICE_UNSUPPORTED', `no ${name} here: ${reason}`)
  if (name === 'tmpfs') return openFolder(TMPFS)
  if (name === 'here') return openFolder(places.here)
  return openLoop(name, places.images)
}

/** A new folder in this one. */
export async function openFolder(parent: string): Promise<BenchFolder> {
  // Lower case and no odd characters: podman makes image names of paths.
  const path = join(parent, `sluice-bench-${randomBytes(4).toString('hex')}`)
  mkdirSync(path, { mode: 0o700 })
  return { path, settle: () => writeOut(path), [Symbol.asyncDispose]: () => removeTree(path) }
}

async function openLoop(name: 'xfs' | 'ext4', images: string): Promise<BenchFolder> {
  const folder = await openFolder(images)
  try {
    const [image, path] = [join(folder.path, 'image'), join(folder.path, 'fs')]
    writeFileSync(image, '')
    truncateSync(image, IMAGE_BYTES)
    await runProgram(`mkfs.${name}`, ['-q', image])
    mkdirSync(path)
    await runProgram('mount', ['-o', 'loop', image, path])
    const settle = async (): Promise<void> => {
      await writeOut(path)
      // Else a turn writes to blocks of the image that are there already, or takes new ones, as those before it left them.
      await runProgram('fstrim', [path])
    }
    return { path, settle, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() }
  } catch (error) {
    await folder[Symbol.asyncDispose]()
    throw error
  }
}

async function writeOut(path: string): Promise<void> {
  await runProgram('sync', ['--file-system', path])
}

/** Removes a tree, and unmounts what is mounted in it: podman leaves mounts, and a loop file system is one. */
export async function removeTree(path: string): Promise<void> {
  const mounted = mountsBelow(path, readFileSync('/proc/self/mounts', 'utf8'))
  // A tool that was killed a moment ago may still hold files open.
  for (const mountPoint of mounted) await runProgram('umount', ['--lazy', mountPoint])
  await runProgram('rm', ['-rf', '--one-file-system', path])
}

/** Mount points in a folder, the innermost first. @param mounts /proc/mounts. */
export function mountsBelow(folder: string, mounts: string): string[] {
  return mounts
    .split('\n')
    .map((line) => unescapeOctal(line.split(' ')[1] ?? ''))
    .filter((mountPoint) => mountPoint.startsWith(`${folder}/`))
    .reverse()
}

/** Blanks and the like are written as `\040`. */
function unescapeOctal(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)))
}
