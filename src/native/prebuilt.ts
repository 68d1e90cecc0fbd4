import { createRequire } from 'node:module'

/**
 * Loads a package that brings its addon for this platform. Such packages ask for a whole diagnostic report of the process, 15 to
 * 80 ms in each thread, of which they read whether libc is musl: they are told that it is glibc, and only if loading fails
 * then, they find out.
 */
export function requirePrebuilt(name: string): unknown {
  const load = (): unknown => createRequire(import.meta.url)(name)
  const { report } = process
  const getReport: unknown = Reflect.get(report, 'getReport')
  Reflect.set(report, 'getReport', () => ({ header: { glibcVersionRuntime: 'assumed' } }))
  try {
    return load()
  } catch {
    Reflect.set(report, 'getReport', getReport)
    return load()
  } finally {
    Reflect.set(report, 'getReport', getReport)
  }
}
