/** What is measured: each combination of the things asked for is one scenario. */
import type { FileSystemName } from './run/file-systems.js'
import type { SourceName } from './run/sources.js'

export interface Scenario {
  readonly corpus: string
  readonly source: SourceName
  readonly algorithm: 'sha256' | 'sha512'
  readonly fileSystem: FileSystemName
  readonly cores: number
}

/** Each in the order in which it is measured. */
export interface ScenarioLists {
  readonly corpora: readonly string[]
  readonly sources: readonly SourceName[]
  readonly algorithms: readonly Scenario['algorithm'][]
  readonly fileSystems: readonly FileSystemName[]
  readonly cores: readonly number[]
}

/** Scenarios of one file system follow each other. */
export function scenariosOf({ corpora, sources, algorithms, fileSystems, cores }: ScenarioLists): Scenario[] {
  return fileSystems.flatMap((fileSystem) =>
    cores.flatMap((cores) =>
      algorithms.flatMap((algorithm) =>
        corpora.flatMap((corpus) => sources.map((source) => ({ corpus, source, algorithm, fileSystem, cores }))),
      ),
    ),
  )
}

/** `os, registry, tmpfs, sha512, 2 cores`. */
export function scenarioName({ corpus, source, fileSystem, algorithm, cores }: Scenario): string {
  return `${corpus}, ${source}, ${fileSystem}, ${algorithm}, ${cores} ${cores === 1 ? 'core' : 'cores'}`
}
