/** `WWW-Authenticate` (RFC 9110 §11.6.1). */

export interface Challenge {
  /** Lower case, such as `bearer`. */
  readonly scheme: string
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>
}

/** No registry sends more; bounds the work on a hostile header. */
const MAX_HEADER_LENGTH = 16 * 1024

const token = String.raw`[!#$%&'*+.^_\x60|~0-9A-Za-z-]+`
/** Commas stand between them; some servers have blanks or semicolons there. */
const parameter = new RegExp(String.raw`\s*(${token})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,;"]+))(?:[\s,;]+|$)`, 'y')
const schemeStart = new RegExp(String.raw`[\s,]*(${token})(?=\s|,|$)`, 'y')
/** `Negotiate dGVzdA==`: one opaque value in place of parameters. */
const opaqueValue = /\s+[A-Za-z0-9._~+/-]+=*\s*(?:,|$)/y

/** All challenges of the header's lines; several may share a line. What cannot be read ends the line. */
export function parseChallenges(lines: readonly string[]): Challenge[] {
  return lines.flatMap((line) => parseLine(line.slice(0, MAX_HEADER_LENGTH)))
}

function parseLine(line: string): Challenge[] {
  const challenges: Challenge[] = []
  let at = 0
  const next = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    const match = pattern.exec(line)
    if (match !== null) at = pattern.lastIndex
    return match
  }
  for (let start = next(schemeStart); start !== null; start = next(schemeStart)) {
    const parameters = new Map<string, string>()
    let found = next(parameter)
    if (found === null) next(opaqueValue)
    for (; found !== null; found = next(parameter)) {
      const value = found[2]?.replaceAll(/\\(.)/g, '$1') ?? found[3]
      parameters.set(found[1].toLowerCase(), value)
    }
    challenges.push({ scheme: start[1].toLowerCase(), parameters })
  }
  return challenges
}
