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
import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads'
import type * as FfiRs from 'ffi-rs'
import { libcCalls } from './libc-calls.js'
import { requirePrebuilt } from './prebuilt.js'
import { inTurn } from './thread-turns.js'

export type Ffi = typeof FfiRs

interface Library {
  /** Names by which it is looked for, in this order. '' is the running program, which has its libc in it. */
  readonly files: readonly string[]
  /** All that are called. */
  readonly functions: readonly string[]
}

const libraries = {
  libc: { files: ['libc.so.6', ''], functions: Object.keys(libcCalls) },
  libisal: { files: ['libisal.so.2'], functions: ['isal_inflate', 'isal_inflate_init', 'crc64_iso_refl'] },
  libdeflate: {
    files: ['libdeflate.so.0'],
    functions: ['libdeflate_alloc_decompressor', 'libdeflate_deflate_decompress_ex', 'libdeflate_free_decompressor'],
  },
  libIPSec_MB: {
    files: ['libIPSec_MB.so.1'],
    functions: [
      'imb_get_version',
      'imb_get_mb_mgr_size',
      'imb_set_pointers_mb_mgr',
      'init_mb_mgr_auto',
      'get_next_burst_avx512_t1',
      'submit_burst_avx512_t1',
      'submit_burst_nocheck_avx512_t1',
      'flush_burst_avx512_t1',
      'get_next_burst_avx512_t2',
      'submit_burst_avx512_t2',
      'submit_burst_nocheck_avx512_t2',
      'flush_burst_avx512_t2',
    ],
  },
  libzstd: {
    files: ['libzstd.so.1'],
    functions: [
      'ZSTD_createDCtx',
      'ZSTD_DCtx_setParameter',
      'ZSTD_decompressStream',
      'ZSTD_freeDCtx',
      'ZSTD_getErrorName',
    ],
  },
  liblzma: { files: ['liblzma.so.5'], functions: ['lzma_stream_decoder', 'lzma_code', 'lzma_end'] },
} as const satisfies Record<string, Library>

export type LibraryName = keyof typeof libraries
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
 * ffi-rs keeps the open libraries, and of each the functions that were called, in tables of the process that it changes
 * without a lock: threads that called functions for the first time at the same moment crashed, or looked in a broken
 * table for ever, one pull in some thousands. So the main thread opens the libraries and has all their functions looked
 * up, before there are others; a function that is not declared here cannot be called.
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
      const binding = inTurn(() => requirePrebuilt('ffi-rs') as Ffi)
      opened = forThreads ?? openAll(binding)
      setEnvironmentData(OPEN_LIBRARIES, opened)
      loaded = { ...binding, load: callingDeclared(binding) }
    } catch (error) {
      loaded = false
      failure = (error instanceof Error ? error.message : String(error)).split('\n', 1)[0]
    }
  }
  return loaded === false ? undefined : loaded
}

/**
 * The file name by which the library was found, which ffi-rs has open under the library's own name; undefined if it is not
 * installed or native code is off or missing.
 */
export function openLibrary(name: LibraryName): string | undefined {
  return ffi() === undefined ? undefined : opened[name]
}

function openAll(binding: Ffi): OpenLibraries {
  return Object.fromEntries(
    Object.entries(libraries).map(([name, { files, functions }]) => {
      const file = files.find((path) => succeeds(() => binding.open({ library: name, path })))
      if (file !== undefined) for (const funcName of functions) lookUp(binding, name, funcName)
      return [name, file]
    }),
  )
}

/** Has ffi-rs find a function without calling it: it looks for the function first, and then refuses the parameters. */
function lookUp(binding: Ffi, library: string, funcName: string): void {
  const { I32 } = binding.DataType
  succeeds(() => binding.load({ library, funcName, retType: I32, paramsType: [I32], paramsValue: [] }))
}

function succeeds(work: () => unknown): boolean {
  try {
    work()
    return true
  } catch {
    return false
  }
}

function callingDeclared(binding: Ffi): Ffi['load'] {
  const declared = new Set(
    Object.entries(libraries).flatMap(([name, { functions }]) => functions.map((funcName) => `${name} ${funcName}`)),
  )
  return (params) => {
    if (declared.has(`${params.library} ${params.funcName}`)) return binding.load(params)
    throw new TypeError(`${params.library}: ${params.funcName} is called but not declared`)
  }
}
