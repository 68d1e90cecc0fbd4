/**
 * Whether the kernel has a system call, and lets this process make it: it is called with arguments that it must refuse
 * before it does anything.
 */
import { libcAvailable, tryCall, type Word } from './libc.js'

/** The number, the same on x64 and arm64, and arguments that name no file, no descriptor and no memory. */
const probes = {
  open_tree: [428, -1, 0, 0],
  move_mount: [429, -1, 0, -1, 0, 0],
  fsopen: [430, 0, 0],
  fsconfig: [431, -1, 0, 0, 0, 0],
  fsmount: [432, -1, 0, 0],
  openat2: [437, -1, 0, 0, 0],
} as const satisfies Record<string, readonly [number, ...Word[]]>

export type SystemCall = keyof typeof probes

/**
 * `refused`: not permitted, for lack of a capability or by a filter, so that nothing more is known; `unknown`: there is no
 * native code to try with.
 */
export type SystemCallState = 'present' | 'missing' | 'refused' | 'unknown'

export function systemCallStates(): Record<SystemCall, SystemCallState> {
  const states = Object.entries(probes).map(([name, probe]) => [name, probeCall(probe)])
  return Object.fromEntries(states) as Record<SystemCall, SystemCallState>
}

function probeCall(probe: readonly [number, ...Word[]]): SystemCallState {
  if (!libcAvailable()) return 'unknown'
  const { errno } = tryCall('syscall', ...probe)
  if (errno === 'ENOSYS') return 'missing'
  return errno === 'EPERM' || errno === 'EACCES' ? 'refused' : 'present'
}
