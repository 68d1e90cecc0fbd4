/** Addresses in a repository at a URL (ostree.md §2.4). */
import { SluiceError } from '../../errors.js'
import { redactUrl } from '../../formats/redact.js'

export interface RemoteBase {
  /** Without user information, and of a repository without the slash at the end; of several the others are kept. */
  readonly url: URL
  /** What the user information of the URL becomes. */
  readonly authorization: string | undefined
}

/**
 * The base of a repository.
 *
 * @throws SluiceError `SLUICE_USAGE` if `text` is no URL that can be fetched.
 */
export function parseRemoteBase(text: string): RemoteBase {
  const base = tryRemoteBase(text)
  if (base !== undefined) return base
  throw new SluiceError('SLUICE_USAGE', `not the URL of an ostree repository: ${redactUrl(text)}`, {
    hint: 'give an http or https URL; for a directory use pull-local',
  })
}

/** As `parseRemoteBase`, or undefined if `text` is no URL that can be fetched. */
export function tryRemoteBase(text: string): RemoteBase | undefined {
  const file = tryRemoteFile(text)
  if (file?.url.pathname.endsWith('/') === true) file.url.pathname = file.url.pathname.slice(0, -1)
  return file
}

/** A single document, to ask for by no segments at all: its path stays as it is. */
export function tryRemoteFile(text: string): RemoteBase | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) return undefined
  const { username, password } = url
  const user = `${decodeUser(username)}:${decodeUser(password)}`
  url.username = ''
  url.password = ''
  url.hash = ''
  return {
    url,
    authorization: username === '' && password === '' ? undefined : `Basic ${Buffer.from(user).toString('base64')}`,
  }
}

/** A percent sign that escapes nothing is one. */
function decodeUser(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The address of `segments` below the base, whose query it has; a slash in a segment is escaped. */
export function remoteUrl({ url }: RemoteBase, segments: readonly string[]): URL {
  if (segments.length === 0) return url
  const path = segments.map(escapeSegment).join('/')
  return new URL(`${url.origin}${url.pathname === '/' ? '' : url.pathname}/${path}${url.search}`)
}

/** Base64 in the paths of deltas has a plus, which servers need not unescape. */
function escapeSegment(segment: string): string {
  if (/^[\w.-]*$/.test(segment)) return segment
  return encodeURIComponent(segment).replaceAll('%2B', '+').replaceAll('%40', '@').replaceAll('%3A', ':')
}

/** What summaries of the repository are kept under: host without port, and path, without slashes (§3.2). */
export function summaryKey({ url }: RemoteBase): string {
  return `${url.hostname}${url.pathname.replace(/\/+$/, '')}`.replaceAll('/', '-')
}
