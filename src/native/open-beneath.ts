/**
 * openat2: opens a file below a directory without ever leaving it, whatever links somebody planted there
 * (containers-storage.md §7.2). Where the kernel has no such call, or a filter refuses it, the path is walked part by part
 * and no link is followed.
 */
import { closeSync, constants, openSync } from 'node:fs'
import { errnoOf } from '../errors.js'
import { libcAvailable, tryCall, type CallResult } from './libc.js'

const OPENAT2 = 437
const resolve = { noMagicLinks: 0x02, noSymlinks: 0x04, beneath: 0x08, inRoot: 0x10 } as const

const O_CLOEXEC = 0o2000000
const directoryFlags = constants.O_RDONLY | O_CLOEXEC | constants.O_DIRECTORY
/** A fifo does not hang, a terminal does not become ours. */
const fileFlags = constants.O_RDONLY | O_CLOEXEC | constants.O_NONBLOCK | constants.O_NOCTTY

export interface OpenBeneathOptions {
  /** What is opened must be a directory; else it may be of any kind. */
  readonly directory?: boolean
  /**
   * Links are followed as if the directory were the root, be they relative or absolute; by default they are an error
   * (`ELOOP`, or `ENOTDIR` in place of a directory).
   */
  readonly followLinks?: boolean
}

/** openat2 says so when something was renamed meanwhile. */
const MAX_RACES = 10

let refused = false

/** Whether `followLinks` is heeded. */
export function canFollowLinks(): boolean {
  return libcAvailable() && !refused
}

/**
 * Opens `path`, which is relative and has no `..` parts, below the open directory `at`, for reading. The value is the
 * descriptor; `errno` says why there is none.
 */
export function openBeneath(at: number, path: Buffer, options: OpenBeneathOptions = {}): CallResult {
  if (!canFollowLinks()) return walkBeneath(at, path, options)
  const flags = options.directory === true ? directoryFlags : fileFlags
  const name = Buffer.concat([path, nul])
  const strict = resolve.beneath | resolve.noSymlinks | resolve.noMagicLinks
  const result = openat2(at, name, flags | constants.O_NOFOLLOW, strict)
  if (result.errno === 'ENOSYS' || result.errno === 'EPERM') {
    refused = true
    return walkBeneath(at, path, options)
  }
  // In place of a directory, a link as the last part is ENOTDIR.
  const met = result.errno === 'ELOOP' || (result.errno === 'ENOTDIR' && options.directory === true)
  if (!met || options.followLinks !== true) return result
  return openat2(at, name, flags, resolve.inRoot | resolve.noMagicLinks)
}

const nul = Buffer.alloc(1)

function openat2(at: number, name: Buffer, flags: number, resolving: number): CallResult {
  // struct open_how: flags, mode, resolve.
  const how = Buffer.alloc(24)
  how.writeUInt32LE(flags, 0)
  how.writeUInt32LE(resolving, 16)
  for (let race = 0; ; race++) {
    const result = tryCall('syscall', OPENAT2, at, name, how, how.length)
    if (result.errno !== 'EAGAIN' || race === MAX_RACES) return result
  }
}

/**
 * Opens what is called `name`, which is one part, in the open directory `at`; never follows a link. By Node's own call, which
 * takes 6 µs where one through ffi-rs takes 25.
 */
export function openChild(at: number, name: Buffer, { directory = false }: OpenBeneathOptions = {}): CallResult {
  // This link is the descriptor itself: it leads nowhere else.
  const path = Buffer.concat([Buffer.from(`/proc/self/fd/${at}/`), name])
  try {
    const flags = (directory ? directoryFlags : fileFlags) | constants.O_NOFOLLOW
    return { value: openSync(path, flags), errno: undefined }
  } catch (error) {
    return { value: -1, errno: errnoOf(error) ?? 'EINVAL' }
  }
}

const SLASH = 47

/** As `openBeneath`, by opening one part after the other; never follows a link. */
export function walkBeneath(at: number, path: Buffer, { directory = false }: OpenBeneathOptions = {}): CallResult {
  let parent = at
  for (let start = 0; ;) {
    const slash = path.indexOf(SLASH, start)
    const last = slash < 0
    const part = path.subarray(start, last ? path.length : slash)
    const result = openChild(parent, part, { directory: directory || !last })
    if (parent !== at) closeSync(parent)
    if (last || result.errno !== undefined) return result
    parent = result.value
    start = slash + 1
  }
}
