/** Credential helpers: programs named `docker-credential-NAME` that speak a one-line protocol. */
import { spawn } from 'node:child_process'
import { cancelled, SluiceError } from '../../../errors.js'
import { isRecord, valueInAnyCase } from '../../../formats/json.js'
import { redactText } from '../../../formats/redact.js'
import type { Credentials } from './credential.js'
import type { Environment } from '../http/proxy.js'

const TIMEOUT_MS = 60_000
/** What a helper printed has arrived this long after its end. */
const LAST_OUTPUT_MS = 1000
const MAX_OUTPUT_BYTES = 1024 * 1024
const NOT_FOUND = 'credentials not found in native keychain'
/** User name that marks the secret as an identity token. */
const IDENTITY_TOKEN_USER = '<token>'

/**
 * Runs `docker-credential-<name> get` for `server`; undefined if it has none. Nothing it prints gets into an error but its
 * refusal. By `signal`, or when its time is over, it is killed with all that it started.
 */
export async function askCredentialHelper(
  name: string,
  server: string,
  environment: Environment,
  signal: AbortSignal,
  timeoutMs = TIMEOUT_MS,
): Promise<Credentials | undefined> {
  if (!/^[\w.-]+$/.test(name)) {
    throw new SluiceError('SLUICE_CONFIG', `not the name of a credential helper: ${JSON.stringify(name)}`)
  }
  const program = `docker-credential-${name}`
  const { status, output } = await run(program, server, environment, signal, timeoutMs)
  if (status !== 0) {
    const said = output.trim().split('\n')[0]
    if (said.toLowerCase().includes(NOT_FOUND)) return undefined
    const reason = said === '' ? `exit status ${status}` : redactText(said.slice(0, 300))
    throw new SluiceError('SLUICE_AUTH', `${program} failed for ${server}: ${reason}`)
  }
  return parseAnswer(output, program)
}

function parseAnswer(output: string, program: string): Credentials | undefined {
  let answer: unknown
  try {
    answer = JSON.parse(output)
  } catch {
    throw new SluiceError('SLUICE_AUTH', `${program} printed something that is not JSON`)
  }
  const fields = isRecord(answer) ? answer : {}
  const [username, secret] = ['Username', 'Secret'].map((name) => valueInAnyCase(fields, name))
  if (typeof username !== 'string' || typeof secret !== 'string') {
    throw new SluiceError('SLUICE_AUTH', `${program} printed no Username and Secret`)
  }
  if (username === '' && secret === '') return undefined
  return username === IDENTITY_TOKEN_USER ? { identityToken: secret } : { username, password: secret }
}

function run(
  program: string,
  input: string,
  environment: Environment,
  signal: AbortSignal,
  timeoutMs: number,
): Promise<{ status: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) throw cancelled(signal)
    // The leader of a process group, so that what it starts can be ended with it.
    const child = spawn(program, ['get'], {
      env: { ...environment },
      stdio: ['pipe', 'pipe', 'ignore'],
      detached: true,
    })
    const stop = (why: SluiceError): void => {
      reject(why)
      killGroup(child.pid)
      // Who left the group may hold the other end.
      child.stdout.destroy()
    }
    const cancel = (): void => stop(cancelled(signal))
    const fail = (why: string): void => stop(new SluiceError('SLUICE_AUTH', `${program} failed for ${input}: ${why}`))
    signal.addEventListener('abort', cancel, { once: true })
    // The `timeout` of spawn keeps the process alive when there is no such program.
    const timer = setTimeout(() => fail(`no answer in ${timeoutMs / 1000} s`), timeoutMs)
    const settled = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', cancel)
    }
    const pieces: Buffer[] = []
    let total = 0
    child.stdout.on('data', (piece: Buffer) => {
      total += piece.length
      if (total <= MAX_OUTPUT_BYTES) pieces.push(piece)
      else fail(`more than ${MAX_OUTPUT_BYTES} bytes of output`)
    })
    // A helper may end without reading its input.
    child.stdin.on('error', () => {})
    child.on('error', (cause) => {
      settled()
      reject(
        new SluiceError('SLUICE_CONFIG', `cannot run the credential helper ${program}: ${cause.message}`, { cause }),
      )
    })
    child.on('exit', () => {
      settled()
      // An agent that it leaves behind may hold its output open.
      setTimeout(() => child.stdout.destroy(), LAST_OUTPUT_MS).unref()
    })
    child.on('close', (status) => {
      resolve({ status, output: Buffer.concat(pieces).toString('utf8') })
    })
    child.stdin.end(input)
  })
}

function killGroup(leader: number | undefined): void {
  try {
    if (leader !== undefined) process.kill(-leader, 'SIGKILL')
  } catch {
    // All of it has ended.
  }
}
