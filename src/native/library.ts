/**
 * ffi-rs and the shared libraries found by name; nothing is loaded before the first use.
 *
 * Loading ffi-rs takes 10 to 45 ms, so it is required on the first call and never on import. A call costs 9 to 20 µs of CPU
 * on a busy two-core machine (12 µs with errno, 19 µs with errno and a buffer): call per slab or per file, not per block.
 *
 * How to call it safely: `load` takes the types of each call, a number where a pointer is declared crashes, and an errno
 * is captured on the calling thread right after the call (20,000 mixed failures, in worker threads too, gave no wrong one)
 * but is stale after a success.
 */
import { createRequire } from 'node:module'
import type * as FfiRs from 'ffi-rs'

export type Ffi = typeof FfiRs

/** File names by which a library is looked for, in this order. '' is the running program, which has its libc in it. */
const files = {
  libc: ['libc.so.6', ''],
  libisal: ['libisal.so.2'],
  libIPSec_MB: ['libIPSec_MB.so.1'],
  libzstd: ['libzstd.so.1'],
  liblzma: ['liblzma.so.5'],
} as const

export type LibraryName = keyof typeof files
export type CodecLibrary = Exclude<LibraryName, 'libc'>

/** Whether native code is in use: `off` by SLUICE_NATIVE=off, `missing` where ffi-rs has no binary for this platform. */
export type NativeState = 'on' | 'off' | 'missing'

export function nativeState(): NativeState {
  if (process.env['SLUICE_NATIVE'] === 'off') return 'off'
  return loadFfi() === undefined ? 'missing' : 'on'
}

/** ffi-rs, or undefined if native code is off or missing. */
export function ffi(): Ffi | undefined {
  return process.env['SLUICE_NATIVE'] === 'off' ? undefined : loadFfi()
}

/** Why ffi-rs could not be loaded, in one line; undefined if it was, or nobody asked for it. */
export function loadFailure(): string | undefined {
  return failure
}

let loaded: Ffi | false | undefined
let failure: string | undefined

function loadFfi(): Ffi | undefined {
  if (loaded === undefined) {
    try {
      const require = createRequire(import.meta.url)
      loaded = require('ffi-rs') as Ffi
      keepMapped(loaded, Object.keys(require.cache))
    } catch (error) {
      loaded = false
      failure = (error instanceof Error ? error.message : String(error)).split('\n', 1)[0]
    }
  }
  return loaded === false ? undefined : loaded
}

/**
 * When the last thread that has loaded it ends, Node unmaps the addon, and the destructors of its thread-local values,
 * which run after that, crash the process: in each run that loads ffi-rs in worker threads only. Opened by itself, it stays.
 */
function keepMapped(binding: Ffi, modules: readonly string[]): void {
  const path = modules.find((name) => /ffi-rs[^/]*\.node$/.test(name))
  if (path !== undefined) binding.open({ library: 'ffi-rs', path })
}

const opened = new Map<LibraryName, string | undefined>()

/**
 * Opens a library under its own name as ffi-rs key and returns the file name it was found by; undefined if it is not
 * installed or native code is off or missing. Every worker thread has to call this before its first call.
 */
export function openLibrary(name: LibraryName): string | undefined {
  const binding = ffi()
  if (binding === undefined) return undefined
  if (!opened.has(name)) opened.set(name, firstThatOpens(binding, name))
  return opened.get(name)
}

function firstThatOpens(binding: Ffi, name: LibraryName): string | undefined {
  return files[name].find((path) => {
    try {
      binding.open({ library: name, path })
      return true
    } catch {
      return false
    }
  })
}
