/** Names of ostree refs, and of the streams that Sluice keeps for them (ostree.md §2.1, §4.5). */
import { SluiceError } from '../../errors.js'
import { decodeRefName, encodeRefName } from '../ref-file-name.js'
import type { OstreeId } from './ostree-id.js'

/** Bytes of a file name. */
const MAX_FILE_NAME = 255

/**
 * Checks a name that is looked up as a path below `refs/`, in a repository or at a URL, and then kept here.
 *
 * @throws SluiceError `SLUICE_USAGE`: empty, `.` or `..` components, a slash at the beginning, or no name for a stream.
 */
export function checkRefName(name: string): string {
  if (name.split('/').some((part) => part === '' || part === '.' || part === '..')) throw notARef(name)
  return checkKeptRefName(name)
}

/**
 * Checks a name of a commit that is stored here: `cfsctl` takes nearly anything, as slashes are encoded (§4.5).
 *
 * @throws SluiceError `SLUICE_USAGE`: empty, `.`, `..`, zero bytes, or too long for the name of a stream.
 */
export function checkKeptRefName(name: string): string {
  if (name === '' || name === '.' || name === '..' || name.includes('\0')) throw notARef(name)
  if (Buffer.byteLength(encodeRefName(name)) > MAX_FILE_NAME) {
    throw new SluiceError('SLUICE_USAGE', `an ostree ref is too long for a file name: ${name.slice(0, 50)}…`)
  }
  return name
}

function notARef(name: string): SluiceError {
  return new SluiceError('SLUICE_USAGE', `not an ostree ref: ${JSON.stringify(name.slice(0, 200))}`, {
    hint: 'a ref is names joined by single slashes, as in fedora/stable/x86_64',
  })
}

const syntax = /^(?:[\w\d][-._\w\d]*:)?[\w\d][-._\w\d]*(?:\/[\w\d][-._\w\d]*)*$/

/** Whether libostree would take the name for a ref, with or without `remote:`. */
export function isLibostreeRef(name: string): boolean {
  return syntax.test(name)
}

/** What the parent of that generation (1 is the nearest) of the commit of `ref` is kept as; no ref of libostree has a `~`. */
export function parentRef(ref: string, generation: number): string {
  return `${ref}~${generation}`
}

/** The other way round; undefined if the name is another one. */
export function refOfParentRef(name: string): { readonly ref: string; readonly generation: number } | undefined {
  const [, ref, generation] = /^(.+)~([1-9][0-9]{0,8})$/.exec(name) ?? []
  return ref === undefined ? undefined : { ref, generation: Number(generation) }
}

const COMMIT_PREFIX = 'ostree-commit-'
const REF_PREFIX = 'ostree/'

/** The stream of a commit. */
export function commitStreamName(commit: OstreeId): string {
  return COMMIT_PREFIX + commit
}

/** The commit of a stream, or undefined if the stream is another one. */
export function commitOfStreamName(name: string): OstreeId | undefined {
  const id = name.slice(COMMIT_PREFIX.length)
  return name.startsWith(COMMIT_PREFIX) && /^[0-9a-f]{64}$/.test(id) ? (id as OstreeId) : undefined
}

/** The name below `streams/refs/` for a ref. */
export function streamRefName(name: string): string {
  return REF_PREFIX + encodeRefName(name)
}

/** The ref of a name below `streams/refs/`, or undefined if that is none of ostree's. */
export function refOfStreamRefName(name: string): string | undefined {
  return name.startsWith(REF_PREFIX) ? decodeRefName(name.slice(REF_PREFIX.length)) : undefined
}
