/** The C library: calls into it, and what its errno values mean. */
import { constants } from 'node:os'
import { getSystemErrorMap } from 'node:util'
import type * as FfiRs from 'ffi-rs'
import { SluiceError, ioError } from '../errors.js'
import { libcCalls, type Declaration, type LibcCall } from './libc-calls.js'
import { type Ffi, nativeState, ffi, openLibrary } from './library.js'

export type Word = number | string | Uint8Array

export interface CallResult {
  readonly value: number
  /** Name of the errno, set exactly if the value is -1. */
  readonly errno: string | undefined
}

/** Whether libc can be called at all. */
export function libcAvailable(): boolean {
  return openLibrary('libc') !== undefined
}

/** Calls libc and returns the errno name with the value; throws only if libc cannot be called. Repeats after EINTR. */
export function tryCall(name: LibcCall, ...args: readonly Word[]): CallResult {
  const binding = requireLibc(name)
  for (;;) {
    const result = resultOf(binding.load(callParameters(binding, name, args)))
    // A descriptor is closed even when close() was interrupted (close(2)).
    if (result.errno !== 'EINTR' || name === 'close') return result
  }
}

/** Calls libc; throws a `SluiceError` with `details.call` and `details.errno` when it answers -1. */
export function call(name: LibcCall, ...args: readonly Word[]): number {
  const { value, errno } = tryCall(name, ...args)
  if (errno !== undefined) throw callError(name, errno)
  return value
}

/**
 * As `call`, on a thread of libuv's pool, for calls that can take seconds; not for `close`. Integers only: memory of a Buffer could be
 * collected while another thread uses it (libraries.md, "ffi-rs safety").
 */
export async function callAsync(name: LibcCall, ...args: readonly number[]): Promise<number> {
  const binding = requireLibc(name)
  for (;;) {
    const { value, errno } = resultOf(
      await binding.load({ ...callParameters(binding, name, args), runInNewThread: true }),
    )
    if (errno === undefined) return value
    if (errno !== 'EINTR') throw callError(name, errno)
  }
}

function requireLibc(name: LibcCall): Ffi {
  const binding = ffi()
  if (binding !== undefined && libcAvailable()) return binding
  throw nativeMissing(name)
}

/** The error for a facility that has no portable fallback. */
export function nativeMissing(facility: string): SluiceError {
  const off = nativeState() === 'off'
  return new SluiceError(
    'SLUICE_NATIVE',
    `${facility} needs native code, which is ${off ? 'switched off' : 'missing'}`,
    {
      hint: off ? 'unset SLUICE_NATIVE' : 'install the optional package of ffi-rs for this platform',
    },
  )
}

type IntegerType = FfiRs.DataType.I32 | FfiRs.DataType.I64

function callParameters(binding: Ffi, name: LibcCall, args: readonly Word[]): FfiRs.FFIParams<IntegerType, true> {
  const { returns, parameters }: Declaration = libcCalls[name]
  if (args.length > parameters.length) throw new TypeError(`${name} takes at most ${parameters.length} arguments`)
  const types: FfiRs.DataType[] = []
  const values: unknown[] = []
  parameters.forEach((parameter, index) => {
    const value = args[index] ?? 0
    if (typeof value === 'number') {
      if (!Number.isSafeInteger(value)) throw new TypeError(`${name}: argument ${index} is not an integer`)
      types.push(parameter === 'int' ? binding.DataType.I32 : binding.DataType.I64)
      values.push(value)
      return
    }
    if (parameter !== 'word') throw new TypeError(`${name}: argument ${index} must be an integer`)
    types.push(binding.DataType.U8Array)
    values.push(typeof value === 'string' ? cString(value) : value)
  })
  return {
    library: 'libc',
    funcName: name,
    retType: returns === 'int' ? binding.DataType.I32 : binding.DataType.I64,
    paramsType: types,
    paramsValue: values,
    errno: true,
  }
}

function cString(text: string): Buffer {
  if (text.includes('\0')) throw new SluiceError('SLUICE_USAGE', `text with a NUL byte: ${JSON.stringify(text)}`)
  return Buffer.from(`${text}\0`, 'utf8')
}

function resultOf({ value, errnoCode }: { value: number; errnoCode: number }): CallResult {
  return { value, errno: value === -1 ? errnoName(errnoCode) : undefined }
}

let names: ReadonlyMap<number, string> | undefined

function errnoName(code: number): string {
  names ??= new Map([
    ...Object.entries(constants.errno).map(([name, value]): [number, string] => [value, name]),
    // Aliases of one number, and two that Node has no name for (the same on x64 and arm64).
    [11, 'EAGAIN'],
    [95, 'EOPNOTSUPP'],
    [15, 'ENOTBLK'],
    [117, 'EUCLEAN'],
  ])
  return names.get(code) ?? `errno ${code}`
}

function errnoMeaning(name: string): string {
  const code: unknown = Reflect.get(constants.errno, name)
  const meaning = typeof code === 'number' ? getSystemErrorMap().get(-code)?.[1] : undefined
  return meaning === undefined ? name : `${name}, ${meaning}`
}

// Failures of the disk or of limits, not of the facility: they keep the family they have for Node's own calls.
const ioErrnos = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO', 'EMFILE', 'ENFILE'])

/** The error for a failed call; `where` says what was being done, `hint` what to do. */
export function callError(name: string, errno: string, where: string = name, hint?: string): SluiceError {
  const reason = `${name}: ${errnoMeaning(errno)}`
  const cause = Object.assign(new Error(reason), { code: errno, syscall: name })
  if (ioErrnos.has(errno)) return ioError(cause, where)
  return new SluiceError('SLUICE_NATIVE', where === name ? reason : `${where}: ${reason}`, {
    cause,
    details: { call: name, errno },
    ...(hint === undefined ? {} : { hint }),
  })
}
