import type { TestContext } from 'node:test'

/** What Node warns of until the test ends: leaks, for example. */
export function recordWarnings(t: TestContext): readonly Error[] {
  const warnings: Error[] = []
  const onWarning = (warning: Error): void => void warnings.push(warning)
  process.on('warning', onWarning)
  t.after(() => process.off('warning', onWarning))
  return warnings
}
