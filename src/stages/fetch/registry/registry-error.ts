/** The error for what a registry answers when it does not give what was asked for. */
import type { SluiceError } from '../../../errors.js'
import { looksLikeHtml } from '../../../formats/oci/json-fields.js'
import { redactText } from '../../../formats/redact.js'
import type { HttpAnswer } from '../http/client.js'
import { statusError } from '../http/errors.js'

const LOGIN_HINT = 'log in, for instance with `podman login`'
/** Characters of a message that are worth showing. */
const MESSAGE_LIMIT = 400

export function registryError(answer: HttpAnswer, where: string): SluiceError {
  return statusError(answer, where, { explanation: explain(answer.unwanted), loginHint: LOGIN_HINT })
}

/** What the registry says in its error document, or that it is no such document. */
function explain(body: Uint8Array): string {
  if (looksLikeHtml(body)) return ' with an HTML page: this may not be a registry'
  try {
    const { errors } = JSON.parse(Buffer.from(body).toString('utf8')) as { errors?: unknown }
    const [first] = Array.isArray(errors) ? (errors as { code?: unknown; message?: unknown }[]) : []
    const parts = [first?.code, first?.message].filter((part) => typeof part === 'string' && part !== '')
    if (parts.length === 0) return ''
    // What is cut first, a secret for one, is not known again.
    return `: ${redactText(parts.join(': ').replaceAll(/\s+/g, ' ')).slice(0, MESSAGE_LIMIT)}`
  } catch {
    return ''
  }
}
