/** What this host and a directory of it can do, for `sluice doctor` and for choosing between fast and portable ways. */
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { release } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { ioError } from '../errors.js'
import { availableCores, defaultThreads, poolThreads } from './cores.js'
import { syncfsAvailable } from './durability.js'
import { fileSystemOf, type FileSystem } from './file-system.js'
import { multiHashUsable } from './multi-hash.js'
import { isalUsable } from './isal.js'
import { libdeflateUsable } from './libdeflate.js'
import { loadFailure, nativeState, openLibrary, type LibraryName, type NativeState } from './library.js'
import { lockingAvailable } from './lock.js'
import { lzmaUsable } from './lzma.js'
import { cloneFile } from './reflink.js'
import { systemCallStates, type SystemCall, type SystemCallState } from './system-calls.js'
import { enableVerity } from './verity.js'
import { libzstdUsable } from './zstd.js'

export interface HostCapabilities {
  readonly native: NativeState
  /** Why native code is missing, in one line. */
  readonly nativeFailure: string | undefined
  readonly cores: number
  /** Beside the main one, unless a run is told another number. */
  readonly threads: number
  /** Of Node's pool. */
  readonly poolThreads: number
  readonly flock: boolean
  readonly syncfs: boolean
  /** Release of the kernel, as `uname -r` prints it. */
  readonly kernel: string
  /** Whether there are signs of fs-verity in the kernel; one whose ext4 is a module that is not loaded may show none. */
  readonly verity: boolean
  /** Whether the kernel has EROFS now; one with EROFS as a module that is not loaded says false until the first mount. */
  readonly erofs: boolean
  /** The same of overlayfs. */
  readonly overlay: boolean
  /** Whether EROFS mounts from a file (Linux 6.12); else a loop device is used. */
  readonly fileBackedErofs: boolean
  /** Whether overlayfs takes layers that are data only (Linux 6.5), without which no image mounts. */
  readonly dataOnlyLayers: boolean
  /** Whether overlayfs can check objects by fs-verity (Linux 6.6). */
  readonly overlayVerity: boolean
  readonly systemCalls: Readonly<Record<SystemCall, SystemCallState>>
  /** File name each library was found by, '' for a libc that is part of the program; undefined if it is not installed. */
  readonly libraries: Readonly<Record<LibraryName, string | undefined>>
  /**
   * What decodes: a library that is installed and passed its known-answer test, or another way. `deflate` is for the files of
   * ostree archives, `xz` for parts of static deltas.
   */
  readonly decoders: {
    readonly gzip: 'libisal' | 'portable'
    readonly zstd: 'libzstd' | 'portable'
    readonly deflate: 'libdeflate' | 'portable'
    readonly xz: 'liblzma' | 'portable'
  }
  /** What hashes blocks. */
  readonly blockHashes: 'libIPSec_MB' | 'node'
}

export function hostCapabilities(): HostCapabilities {
  const kernel = release()
  const fileSystems = knownFileSystems()
  return {
    native: nativeState(),
    nativeFailure: loadFailure(),
    cores: availableCores(),
    threads: defaultThreads(),
    poolThreads: poolThreads(),
    flock: lockingAvailable(),
    syncfs: syncfsAvailable(),
    kernel,
    verity: ['/sys/fs/ext4/features/verity', '/proc/sys/fs/verity'].some((path) => existsSync(path)),
    erofs: fileSystems.includes('erofs'),
    overlay: fileSystems.includes('overlay'),
    fileBackedErofs: kernelIsAtLeast(kernel, 6, 12),
    dataOnlyLayers: kernelIsAtLeast(kernel, 6, 5),
    overlayVerity: kernelIsAtLeast(kernel, 6, 6),
    systemCalls: systemCallStates(),
    libraries: {
      libc: openLibrary('libc'),
      libisal: openLibrary('libisal'),
      libdeflate: openLibrary('libdeflate'),
      libIPSec_MB: openLibrary('libIPSec_MB'),
      libzstd: openLibrary('libzstd'),
      liblzma: openLibrary('liblzma'),
    },
    blockHashes: multiHashUsable() ? 'libIPSec_MB' : 'node',
    decoders: {
      gzip: isalUsable() ? 'libisal' : 'portable',
      zstd: libzstdUsable() ? 'libzstd' : 'portable',
      deflate: libdeflateUsable() ? 'libdeflate' : 'portable',
      xz: lzmaUsable() ? 'liblzma' : 'portable',
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

/** Of the files that are tried out. */
export const PROBE_PREFIX = '.sluice-probe-'

/** Tries it out on two small temporary files in `directory`, which are removed again. */
export function probeDirectory(directory: string): DirectoryCapabilities {
  const first = join(directory, `${PROBE_PREFIX}${randomBytes(8).toString('hex')}`)
  const second = `${first}-clone`
  try {
    try {
      writeFileSync(first, Buffer.alloc(4096, 1), { flag: 'wx' })
      return withFile(first, 'r', (source) => ({
        reflink: withFile(second, 'wx', (target) => cloneFile(source, target) === 'cloned'),
        verity: enableVerity(source, 'sha256') === 'enabled',
      }))
    } finally {
      for (const path of [first, second]) rmSync(path, { force: true })
    }
  } catch (error) {
    throw ioError(error, `cannot try out ${directory}`)
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

export interface StorageCapabilities {
  /** What was looked at: the path, or the nearest directory above it that is there. */
  readonly directory: string
  readonly fileSystem: FileSystem
  /** Undefined if it could not be tried; then `failure` says why. */
  readonly can: DirectoryCapabilities | undefined
  readonly failure: string | undefined
}

/** What a repository at `path`, which need not be there yet, can make use of. */
export function storageCapabilities(path: string): StorageCapabilities {
  const directory = nearestDirectory(resolve(path))
  const fileSystem = fileSystemOf(directory)
  try {
    return { directory, fileSystem, can: probeDirectory(directory), failure: undefined }
  } catch (error) {
    return { directory, fileSystem, can: undefined, failure: error instanceof Error ? error.message : String(error) }
  }
}

function nearestDirectory(path: string): string {
  return existsSync(path) || path === dirname(path) ? path : nearestDirectory(dirname(path))
}
