/**
 * Takes secrets out of text for errors, logs and traces. Every URL and every text from a server passes through here.
 */

/** Query parameters that say what was asked for, and never hold a secret. */
const harmlessParameters = new Set(['service', 'scope', 'n', 'last', 'artifactType'])

/** The URL without user information, fragment, and values of query parameters (signatures of blob stores are there). */
export function redactUrl(url: string | URL): string {
  const text = String(url)
  if (!URL.canParse(text)) return redactUserInfo(text)
  const copy = new URL(text)
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
  return text.replaceAll(/(?<![^\s/@])[^\s/@]+@(?!sha\d+:)/g, (run) => (/[^:]:[^@]/.test(run) ? '***@' : run))
}

/** Free text, for instance from a server: URLs are redacted, authorization values and user information replaced. */
export function redactText(text: string): string {
  return redactUserInfo(
    text
      .replaceAll(/\bhttps?:\/\/[^\s"'<>]+/gi, (url) => redactUrl(url))
      .replaceAll(/\b(Bearer|Basic)\s+[\w+/=.~-]{8,}/gi, '$1 ***'),
  )
}
