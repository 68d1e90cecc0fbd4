/** What a check has found so far, in the reference's words and counters (repository.md §6). */
import { errnoOf } from '../../errors.js'

export type Problem =
  | 'metadata-parse-failed'
  | 'metadata-algorithm-mismatch'
  | 'object-invalid-name'
  | 'object-open-failed'
  | 'object-digest-mismatch'
  | 'object-verity-failed'
  | 'object-verity-missing'
  | 'entry-not-symlink'
  | 'broken-symlink'
  | 'stat-failed'
  | 'unexpected-file-type'
  | 'stream-open-failed'
  | 'stream-read-failed'
  | 'missing-object-ref'
  | 'missing-named-ref'
  | 'object-check-failed'
  | 'image-open-failed'
  | 'image-read-failed'
  | 'image-invalid'
  | 'image-missing-object'
  | 'invalid-ref-name'
  | 'ref-resolve-failed'
  | 'manifest-read-failed'
  | 'manifest-digest-mismatch'
  | 'manifest-parse-failed'
  | 'config-ref-missing'
  | 'config-read-failed'
  | 'config-digest-mismatch'
  | 'config-parse-failed'
  | 'layer-ref-missing'
  | 'layer-check-failed'
  | 'layer-stream-missing'
  | 'layer-object-missing'
  | 'seal-image-missing'
  | 'artifact-layer-ref-missing'
  | 'artifact-layer-object-missing'
  | 'layer-digest-mismatch'
  | 'commit-digest-mismatch'

// oxlint-disable-next-line no-control-regex
const controlCharacter = /[\u0000-\u001f\u007f-\u009f]/g
const escape = (character: string) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`

export class Findings {
  /** Things looked at. */
  checked = 0
  /** Those of them that are damaged themselves. */
  corrupted = 0
  brokenLinks = 0
  /** References to objects that are not there. */
  missingObjects = 0
  readonly errors: string[] = []
  readonly problems = new Set<Problem>()

  /** Adds an error line; the parts are paths, ids and a reason. Some come from the repository: it stays one line. */
  error(problem: Problem, ...parts: readonly string[]): void {
    this.problems.add(problem)
    this.errors.push(['fsck', problem, ...parts].join(': ').replaceAll(controlCharacter, escape))
  }
}

/** Why something failed, for the end of an error line. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // Node's text of a system error ends in the call and the path, which the line begins with.
  return errnoOf(error) === undefined ? error.message : error.message.replace(/, \w+( '.*')?$/s, '')
}
