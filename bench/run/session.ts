/** What all measurements of one command share: a registry on loopback, and the configuration of its clients. */
import { join } from 'node:path'
import { plainHttpHome } from '../../test/helpers/system-run.js'
import type { Corpus } from '../corpora/corpora.js'
import { openFolder } from './file-systems.js'
import { layoutReference, openRegistry, type SourceName } from './sources.js'

export interface BenchSession extends AsyncDisposable {
  /** What the registry is. */
  readonly registryVersion: string
  /** A file of containers-policy.json(5) that accepts everything. */
  readonly policy: string
  /** With it, clients use the registry without TLS. */
  readonly env: Readonly<Record<string, string>>
  /** An image as the tools name it. */
  reference(source: SourceName, corpus: Corpus): string
}

/** Its files are in `parent`, and go away in the end. */
export async function openSession(parent: string, corpora: readonly Corpus[]): Promise<BenchSession> {
  const folder = await openFolder(parent)
  try {
    const registry = await openRegistry(folder.path, corpora)
    const home = join(folder.path, 'home')
    return {
      registryVersion: registry.version,
      env: plainHttpHome(home, registry.host),
      policy: join(home, '.config/containers/policy.json'),
      reference: (source, corpus) => (source === 'layout' ? layoutReference(corpus) : registry.reference(corpus)),
      [Symbol.asyncDispose]: async () => {
        await registry[Symbol.asyncDispose]()
        await folder[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    await folder[Symbol.asyncDispose]()
    throw error
  }
}
