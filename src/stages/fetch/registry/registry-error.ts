/** The error for what a registry answers when it does not give what was asked for. */
import type { SluiceError } from '../../../errors.js'
import { looksLikeHtml } from '../../../formats/oci/json-fields.js'
import { redactSecrets, redactText } from '../../../formats/redact.js'
import type { HttpAnswer } from '../http/client.js'
import { statusError } from '../http/errors.js'

const LOGIN_HINT = 'log in, for instance with `podman login`'
/** Characters of a message that are worth showing. */
const MESSAGE_LIMIT = 400

export interface RegistryAnswer extends HttpAnswer {
  /** What the request was authorized with, which its answer may repeat. */
  secrets?: readonly string[]
}

export function registryError(answer: RegistryAnswer, where: string): SluiceError {
  const explanation = explain(answer.unwanted, answer.secrets ?? [])
  return statusError(answer, where, { explanation, loginHint: LOGIN_HINT })
}

/** What is secret of an Authorization header: the token, or the password and what it is sent as. */
export function secretsOf(authorization: string | undefined): string[] {
  const [scheme, value] = authorization?.split(' ') ?? []
  if (value === undefined) return []
  const [, password] = scheme === 'Basic' ? (/:([^]*)$/.exec(Buffer.from(value, 'base64').toString()) ?? []) : []
  return password === undefined ? [value] : [value, password]
}

/** What the registry says in its error document, or that it is no such document. */
function explain(body: Uint8Array, secrets: readonly string[]): string {
  if (looksLikeHtml(body)) return ' with an HTML page: this may not be a registry'
  try {
    const { errors } = JSON.parse(Buffer.from(body).toString('utf8')) as { errors?: unknown }
    const [first] = Array.isArray(errors) ? (errors as { code?: unknown; message?: unknown }[]) : []
    const parts = [first?.code, first?.message].filter((part) => typeof part === 'string' && part !== '')
    if (parts.length === 0) return ''
    const said = redactSecrets(parts.join(': '), secrets).replaceAll(/\s+/g, ' ')
    // What is cut first, a secret for one, is not known again.
    return `: ${redactText(said).slice(0, MESSAGE_LIMIT)}`
  } catch {
    return ''
  }
}
