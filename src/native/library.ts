/**
 * ffi-rs and the shared libraries found by name; nothing is loaded before the first use.
 *
 * Loading ffi-rs takes 3 to 12 ms, so it is required on the first call and never on import. A call costs 9 to 20 µs of CPU
 * on a busy two-core machine (12 µs with errno, 19 µs with errno and a buffer): call per slab or per file, not per block.
 *
 * How to call it safely: `load` takes the types of each call, a number where a pointer is declared crashes, and an errno
 * is captured on the calling thread right after the call (20,000 mixed failures, in worker threads too, gave no wrong one)
 * but is stale after a success.
 */
import { createRequire } from 'node:module'
import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads'
import type * as FfiRs from 'ffi-rs'
import { inTurn } from './thread-turns.js'

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
type OpenLibraries = Readonly<Partial<Record<LibraryName, string | undefined>>>

/** Under which threads find what the main thread has opened. */
const OPEN_LIBRARIES = 'sluice: open libraries'

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
let opened: OpenLibraries = {}

/**
 * Loads ffi-rs and every library there is, 12 ms in all, for the threads started from then on too. They find native code
 * only if this was called before.
 *
 * The libraries that ffi-rs has open are in one table of the process, which it does not lock: only the main thread opens,
 * before there are others.
 * It also keeps the addon mapped: when the last thread that has loaded it ends, Node unmaps it, and the destructors of its
 * thread-local values, which run after that, crash the process.
 */
export function loadNative(): void {
  ffi()
}

function loadFfi(): Ffi | undefined {
  if (loaded === undefined) {
    try {
      const forThreads = getEnvironmentData(OPEN_LIBRARIES) as OpenLibraries | undefined
      if (!isMainThread && forThreads === undefined) throw new Error('the main thread has not loaded ffi-rs')
      const binding = inTurn(requireFfi)
      opened = forThreads ?? openAll(binding)
      setEnvironmentData(OPEN_LIBRARIES, opened)
      loaded = binding
    } catch (error) {
      loaded = false
      failure = (error instanceof Error ? error.message : String(error)).split('\n', 1)[0]
    }
  }
  return loaded === false ? undefined : loaded
}

/**
 * Tells ffi-rs that this is glibc, and only if that fails has it find out: it asks for a whole diagnostic report of the
 * process, 15 to 80 ms in each thread, of which it reads whether libc is musl.
 */
function requireFfi(): Ffi {
  const load = (): Ffi => createRequire(import.meta.url)('ffi-rs') as Ffi
  const { report } = process
  const getReport = report.getReport
  report.getReport = () => ({ header: { glibcVersionRuntime: 'assumed' } })
  try {
    return load()
  } catch {
    report.getReport = getReport
    return load()
  } finally {
    report.getReport = getReport
  }
}

/**
 * The file name by which the library was found, which ffi-rs has open under the library's own name; undefined if it is not
 * installed or native code is off or missing.
 */
export function openLibrary(name: LibraryName): string | undefined {
  return ffi() === undefined ? undefined : opened[name]
}

function openAll(binding: Ffi): OpenLibraries {
  const names = Object.keys(files) as LibraryName[]
  return Object.fromEntries(names.map((name) => [name, firstThatOpens(binding, name)]))
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
