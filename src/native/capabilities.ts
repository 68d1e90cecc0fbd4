/** What this host and a directory of it can do, for `sluice doctor` and for choosing between fast and portable ways. */
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { release } from 'node:os'
import { join } from 'node:path'
import { ioError } from '../errors.js'
import { syncfsAvailable } from './durability.js'
import { type LibraryName, type NativeState, nativeState, openLibrary } from './library.js'
import { lockingAvailable } from './lock.js'
import { cloneFile } from './reflink.js'
import { enableVerity } from './verity.js'

export type CodecLibrary = Exclude<LibraryName, 'libc'>

export interface HostCapabilities {
  readonly native: NativeState
  readonly flock: boolean
  readonly syncfs: boolean
  /** Release of the kernel, as `uname -r` prints it. */
  readonly kernel: string
  /** Whether the kernel has EROFS now; one with EROFS as a module that is not loaded says false until the first mount. */
  readonly erofs: boolean
  /** Whether EROFS mounts from a file (Linux 6.12); else a loop device is used. */
  readonly fileBackedErofs: boolean
  /** File name each library was found by, undefined if it is not installed. */
  readonly libraries: Readonly<Record<CodecLibrary, string | undefined>>
}

export function hostCapabilities(): HostCapabilities {
  const kernel = release()
  return {
    native: nativeState(),
    flock: lockingAvailable(),
    syncfs: syncfsAvailable(),
    kernel,
    erofs: knownFileSystems().includes('erofs'),
    fileBackedErofs: kernelIsAtLeast(kernel, 6, 12),
    libraries: {
      libisal: openLibrary('libisal'),
      libzstd: openLibrary('libzstd'),
      liblzma: openLibrary('liblzma'),
    },
  }
}

/** Whether a release such as `6.12.3-amd64` is of this version or a later one; false for text without a version. */
export function kernelIsAtLeast(release: string, major: number, minor: number): boolean {
  const match = /^(\d+)\.(\d+)/.exec(release)
  if (match === null) return false
  const found = [Number(match[1]), Number(match[2])] as const
  return found[0] > major || (found[0] === major && found[1] >= minor)
}

function knownFileSystems(): string[] {
  try {
    return readFileSync('/proc/filesystems', 'utf8').split(/\s+/)
  } catch {
    return []
  }
}

export interface DirectoryCapabilities {
  /** fs-verity can be enabled on files here. */
  readonly verity: boolean
  /** Files here can share blocks. */
  readonly reflink: boolean
}

/** Tries it out on two small temporary files in `directory`, which are removed again. */
export function probeDirectory(directory: string): DirectoryCapabilities {
  const first = join(directory, `.sluice-probe-${randomBytes(8).toString('hex')}`)
  const second = `${first}-clone`
  try {
    writeFileSync(first, Buffer.alloc(4096, 1), { flag: 'wx' })
    return withFile(first, 'r', (source) => ({
      reflink: withFile(second, 'wx', (target) => cloneFile(source, target) === 'cloned'),
      verity: enableVerity(source, 'sha256') === 'enabled',
    }))
  } catch (error) {
    throw ioError(error, `cannot try out ${directory}`)
  } finally {
    rmSync(first, { force: true })
    rmSync(second, { force: true })
  }
}

function withFile<T>(path: string, flags: string, use: (fd: number) => T): T {
  const fd = openSync(path, flags)
  try {
    return use(fd)
  } finally {
    closeSync(fd)
  }
}
