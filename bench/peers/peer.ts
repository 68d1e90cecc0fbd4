/** What a bench knows of a tool that pulls images. */
import type { Corpus } from '../corpora/corpora.js'
import type { Measurement } from '../report/results.js'
import type { SourceName } from '../run/sources.js'

/** One pull. */
export interface PullTask {
  readonly corpus: Corpus
  readonly source: SourceName
  /** `oci:DIR:TAG` or `docker://HOST/NAME:TAG`, plain HTTP. */
  readonly reference: string
  readonly algorithm: 'sha256' | 'sha512'
  readonly cores: number
  /** An empty folder for what is pulled, on the file system of the scenario. */
  readonly target: string
  /** The target of a composefs tool that has ended, on the same file system; only there if such a tool ran. */
  readonly finished: string
  /** A file of containers-policy.json(5) that accepts everything. */
  readonly policy: string
  /** Containers configuration that lets clients use the registry without TLS. */
  readonly env: Readonly<Record<string, string>>
}

export interface Interpreted {
  readonly measurement: Measurement
  /** What else is worth telling. */
  readonly remark: string
}

export interface Peer {
  readonly name: string
  /** Programs that must be installed. */
  readonly needs: readonly string[]
  readonly sources: readonly SourceName[]
  /** Whether a second pull to the same place makes sense. */
  readonly again: boolean
  /** Whether what it makes is a composefs repository. */
  readonly composefs: boolean
  /** Whether it needs what a composefs tool left behind. */
  readonly copiesFinished?: boolean
  /** What `--version` says, on one line. */
  version(): Promise<string>
  /** What comes before the pull and is not measured. */
  prepare?(task: PullTask): Promise<unknown>
  command(task: PullTask): readonly string[]
  /** The id of the image's EROFS, as it was registered. */
  imageId?(task: PullTask): Promise<string>
  /** What the figures mean where they are not those of a pull. */
  interpret?(measurement: Measurement, stdout: string, task: PullTask): Interpreted
}
