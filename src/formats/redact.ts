/**
 * Takes secrets out of text for errors, logs and traces. Every URL and every text from a server passes through here.
 */

/** Query parameters that say what was asked for, and never hold a secret. */
const harmlessParameters = new Set(['service', 'scope', 'n', 'last', 'artifactType'])

/** The URL without user information, fragment, and values of query parameters (signatures of blob stores are there). */
export function redactUrl(url: string | URL): string {
  const text = String(url)
  const copy = URL.canParse(text) ? new URL(text) : undefined
  // `user:password@…` parses, too, with the user for its scheme.
  if (copy === undefined || copy.host === '') return redactUserInfo(text)
  copy.username = ''
  copy.password = ''
  copy.hash = ''
  for (const name of new Set(copy.searchParams.keys())) {
    if (!harmlessParameters.has(name)) copy.searchParams.set(name, '***')
  }
  return copy.href
}

/** `user:password@` before a host name, also in texts that are no URL, such as image references. */
function redactUserInfo(text: string): string {
  // Begins only where a run begins: tried at every character, 64 KiB without a @ would take six seconds.
  const run = /(?<![^\s/@])[^\s/@]+@(?!sha\d+:)/g
  return text.replaceAll(/\S+/g, redactWord).replaceAll(run, (run) => (hasPassword(run) ? '***@' : run))
}

const hasPassword = (text: string): boolean => /[^:]:[^@]/.test(text)

/** Up to the last `@` that is not that of a digest: a password with a slash is what makes a text no URL. */
function redactWord(word: string): string {
  let at = word.length
  do at = at === 0 ? -1 : word.lastIndexOf('@', at - 1)
  while (at >= 0 && /^@sha\d+:/.test(word.slice(at, at + 10)))
  if (at < 0) return word
  const scheme = word.slice(0, at).indexOf('://')
  const start = scheme < 0 ? word.search(/[^"'(<[{]/) : scheme + 3
  return hasPassword(word.slice(start, at + 1)) ? `${word.slice(0, start)}***${word.slice(at)}` : word
}

/** Shorter ones are parts of common words: in place of each, the text would say more of them than it does now. */
const MIN_SECRET = 4

/** Text from somebody who was given `secrets`, and may repeat them. */
export function redactSecrets(text: string, secrets: readonly string[]): string {
  const worthHiding = secrets.filter(({ length }) => length >= MIN_SECRET)
  return worthHiding.reduce((redacted, secret) => redacted.replaceAll(secret, () => '***'), text)
}

/** Free text, for instance from a server: URLs are redacted, authorization values and user information replaced. */
export function redactText(text: string): string {
  return redactUserInfo(
    text
      .replaceAll(/\bhttps?:\/\/[^\s"'<>]+/gi, (url) => redactUrl(url))
      .replaceAll(/\b(Bearer|Basic)\s+[\w+/=.~-]{8,}/gi, '$1 ***'),
  )
}
