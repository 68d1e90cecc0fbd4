import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** A file of this package; where this module itself lies depends on whether it is bundled. @param path from the package's root. */
export function packageFile(path: string): string {
  return join(dirname(createRequire(import.meta.url).resolve('sluice/package.json')), path)
}
