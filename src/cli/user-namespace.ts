/**
 * Runs the whole command again in a user namespace in which the files of a rootless storage can be read: there they belong
 * to ids that only this user's root may touch (containers-storage.md §5).
 */
import { spawn } from 'node:child_process'
import { accessSync, constants as fsConstants, statSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, join } from 'node:path'
import { ioError, SluiceError } from '../errors.js'
import { IN_USER_NAMESPACE } from './globals.js'

/** Does `work`; if a storage cannot be read by this user, has it done where it can, and sets the exit status. */
export async function withStorageAccess(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof SluiceError) || error.details['reason'] !== 'STORE_UNREADABLE') throw error
    if (process.env[IN_USER_NAMESPACE] !== undefined) {
      const hint = 'it is not readable in a user namespace either, so it belongs to another user: run it as root'
      throw new SluiceError(error.code, error.message, { cause: error, details: error.details, hint })
    }
    if (process.getuid?.() === 0) throw error
    process.exitCode = await runAgain(namespaceCommand(error))
  }
}

/** The words before the command, of the first of these programs that is there. */
function namespaceCommand(cause: SluiceError): readonly string[] {
  const ways: readonly (readonly string[])[] = [
    ['podman', 'unshare'],
    ['unshare', '--user', '--map-root-user', '--map-auto', '--keep-caps'],
    ['buildah', 'unshare'],
  ]
  const way = ways.find(([program]) => isThere(program) && (program !== 'unshare' || isThere('newuidmap')))
  if (way !== undefined) return way
  throw new SluiceError('SLUICE_NATIVE', cause.message, {
    cause,
    hint: 'install podman, or util-linux 2.38 and newuidmap (package uidmap), which give access to this storage; or run as root',
    details: { ...cause.details, reason: 'USERNS_UNAVAILABLE' },
  })
}

function isThere(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    const path = join(folder, program)
    try {
      accessSync(path, fsConstants.X_OK)
      return folder !== '' && statSync(path).isFile()
    } catch {
      return false
    }
  })
}

const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Gives the exit status. */
async function runAgain([program, ...words]: readonly string[]): Promise<number> {
  const own = [process.execPath, ...process.execArgv, ...process.argv.slice(1)]
  // A group of its own: a signal from the terminal would reach it twice, and the second one ends it at once.
  const child = spawn(program, [...words, ...own], {
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
    env: {
      ...process.env,
      [IN_USER_NAMESPACE]: '1',
      // As podman sets it, for who finds out whose storage to look in.
      _CONTAINERS_ROOTLESS_UID: String(process.getuid?.()),
    },
  })
  let signalled: (typeof forwarded)[number] | undefined
  const forward = (signal: (typeof forwarded)[number]): void => {
    signalled = signal
    // The program of the namespace does not pass signals on: to the group.
    if (child.pid !== undefined) process.kill(-child.pid, signal)
  }
  for (const signal of forwarded) process.on(signal, forward)
  try {
    const { status, signal } = await new Promise<{ status: number | null; signal: NodeJS.Signals | null }>(
      (resolve, reject) => {
        child.on('error', (error) => reject(ioError(error, `cannot run ${program}`)))
        child.on('exit', (status, signal) => resolve({ status, signal }))
      },
    )
    const ended = signal ?? (status === KILLED ? signalled : undefined)
    return ended === undefined ? (status ?? 1) : 128 + constants.signals[ended]
  } finally {
    for (const signal of forwarded) process.off(signal, forward)
  }
}

/** What podman says of a command that a signal ended. */
const KILLED = 255
