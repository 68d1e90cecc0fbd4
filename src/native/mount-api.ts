/**
 * The mount system calls of Linux 5.2: a context per file system, a detached mount from it, then its place in the tree.
 *
 * Until it has its place, a mount lives as long as its descriptor, so that a failure half-way leaves nothing behind.
 */
import { readSync } from 'node:fs'
import { call, callError, tryCall } from './libc.js'
import { errnoOf } from '../errors.js'

// The numbers are the same on x64 and arm64.
const systemCalls = { move_mount: 429, fsopen: 430, fsconfig: 431, fsmount: 432 } as const
type MountCall = keyof typeof systemCalls

const closeOnExec = 1
const command = { setFlag: 0, setString: 1, setFd: 5, create: 6 } as const
const readOnlyAttribute = 1
const atWorkingDirectory = -100
const emptyFromPath = 0x4
const followTargetLinks = 0x10
const detach = 2

const hints: Readonly<Record<string, string>> = {
  EPERM: 'mounting needs root (CAP_SYS_ADMIN)',
  ENODEV: 'this kernel does not have the file system, or its module is not loaded',
  ENOSYS: 'the mount API needs Linux 5.2, composefs images Linux 6.5',
}

function mountCall(name: MountCall, ...args: readonly (number | string)[]) {
  return tryCall('syscall', systemCalls[name], ...args)
}

/** A descriptor that came from a system call and is closed at the end of a scope. */
export class NativeFd implements Disposable {
  constructor(readonly fd: number) {}

  // Not fs.closeSync: in worker threads Node warns about descriptors it has not opened itself.
  [Symbol.dispose](): void {
    call('close', this.fd)
  }
}

/** The parameters of a mount to be (fsopen(2)). Strings are limited to 255 bytes by the kernel. */
export class FsContext extends NativeFd {
  constructor(readonly type: string) {
    const { value, errno } = mountCall('fsopen', type, closeOnExec)
    if (errno !== undefined) throw callError('fsopen', errno, `file system ${type}`, hints[errno])
    super(value)
  }

  setFlag(key: string): void {
    this.configure(key, command.setFlag, key, 0, 0)
  }

  setString(key: string, value: string): void {
    this.configure(`${key}=${value}`, command.setString, key, value, 0)
  }

  setFd(key: string, fd: number): void {
    this.configure(`${key}=<fd>`, command.setFd, key, 0, fd)
  }

  /** Makes the file system of what was set and returns a detached mount of it. */
  mount(readOnly: boolean): NativeFd {
    this.configure('create', command.create, 0, 0, 0)
    const { value, errno } = mountCall('fsmount', this.fd, closeOnExec, readOnly ? readOnlyAttribute : 0)
    if (errno !== undefined) throw this.failure('fsmount', errno)
    return new NativeFd(value)
  }

  private configure(what: string, ...args: readonly (number | string)[]): void {
    const { errno } = mountCall('fsconfig', this.fd, ...args)
    if (errno !== undefined) throw this.failure(`fsconfig ${what}`, errno)
  }

  private failure(name: string, errno: string) {
    const said = this.kernelMessages()
    const where = `file system ${this.type}${said.length === 0 ? '' : ` (${said.join('; ')})`}`
    return callError(name, errno, where, hints[errno] ?? 'the kernel log (dmesg) may say more')
  }

  /** What the kernel wrote about this context: one message a read, "e" or "w" and a space before its text. */
  private kernelMessages(): string[] {
    const messages: string[] = []
    const buffer = Buffer.alloc(1024)
    for (;;) {
      try {
        const length = readSync(this.fd, buffer)
        messages.push(buffer.toString('utf8', 0, length).trim().slice(2))
      } catch (error) {
        if (errnoOf(error) === 'EMSGSIZE') continue
        return messages
      }
    }
  }
}

/** Gives a detached mount its place at the directory `target`. */
export function attachMount(mount: NativeFd, target: string): void {
  const { errno } = mountCall('move_mount', mount.fd, '', atWorkingDirectory, target, emptyFromPath | followTargetLinks)
  if (errno !== undefined) throw callError('move_mount', errno, `mount point ${target}`, hints[errno])
}

/** Takes the topmost mount at `target` out of the tree; it ends when its last open file is closed. */
export function unmount(target: string): void {
  const { errno } = tryCall('umount2', target, detach)
  if (errno === undefined) return
  const hint = errno === 'EINVAL' ? 'nothing is mounted there' : hints[errno]
  throw callError('umount2', errno, `cannot unmount ${target}`, hint)
}
