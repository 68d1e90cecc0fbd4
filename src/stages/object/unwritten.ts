/**
 * That a file is still the one that was read. Its owner sets modification time and names at will; the change time is the
 * kernel's, and each write moves it on.
 */
import { fstatSync, type Stats } from 'node:fs'

/** The clock of change times stands still for up to 10 ms, and in the last of these a write would not show. */
const SETTLED_MS = 1000

/** Whether a write from now on will show in the change time. */
export function isSettled({ ctimeMs }: Stats): boolean {
  return Date.now() - ctimeMs > SETTLED_MS
}

/** @param before of the open file `fd`, when it was settled. */
export function isUnwritten(fd: number, before: Stats): boolean {
  return fstatSync(fd).ctimeMs === before.ctimeMs
}
