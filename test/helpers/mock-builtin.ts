/** Functions of Node's own modules, replaced for a test. */
import { syncBuiltinESMExports } from 'node:module'
import type { TestContext } from 'node:test'

/** Also for those who imported the function by its name. @returns puts back what was there, as the end of the test does. */
export function mockBuiltin<Name extends string, Value>(
  t: TestContext,
  module: { [name in Name]: Value },
  name: Name,
  replacement: Value,
): () => void {
  const original = module[name]
  const put = (value: Value): void => {
    module[name] = value
    syncBuiltinESMExports()
  }
  const restore = () => put(original)
  put(replacement)
  t.after(restore)
  return restore
}
