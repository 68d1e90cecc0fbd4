/** Configuration files of the Go tools, in TOML. */
import { parse } from 'smol-toml'
import { SluiceError } from '../errors.js'

/** @throws SluiceError `SLUICE_CONFIG` that names `path`. */
export function parseToml(text: string, path: string): Record<string, unknown> {
  try {
    // Numbers are of no interest here, and no reason to refuse a file.
    return parse(text, { integersAsBigInt: 'asNeeded' })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : ''
    throw new SluiceError('SLUICE_CONFIG', `${path} is not TOML: ${reason}`, { cause })
  }
}
