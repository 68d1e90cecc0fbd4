/** Certificates: those of the system, and those of `certs.d/<host:port>/` (oci.md §11). */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls'
import { errnoOf, SluiceError } from '../../../errors.js'
import type { Environment } from './proxy.js'

/** Where distributions keep the certificates that the machine trusts, in one file. */
const systemBundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
]

export interface HostCertificates {
  /** Additional authorities. */
  readonly authorities: readonly Buffer[]
  readonly client?: { readonly certificate: Buffer; readonly key: Buffer }
}

/**
 * Reads the first of `directories` that has a folder for `host`, which may have a port: `*.crt` are authorities, `*.cert` with
 * `*.key` of the same name a client certificate. Undefined if none has.
 */
export async function readHostCertificates(
  directories: readonly string[],
  host: string,
): Promise<HostCertificates | undefined> {
  // A URL drops the default port, the folder may have it.
  const names = /:\d+$/.test(host) ? [host] : [`${host}:443`, host]
  for (const folder of directories.flatMap((directory) => names.map((name) => join(directory, name)))) {
    const names = await readdir(folder).catch((error: unknown) => {
      const errno = errnoOf(error)
      if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'EACCES') return undefined
      throw unreadable(folder, error)
    })
    if (names !== undefined) return readFolder(folder, names.sort())
  }
  return undefined
}

async function readFolder(folder: string, names: readonly string[]): Promise<HostCertificates> {
  const read = (name: string) =>
    readFile(join(folder, name)).catch((error: unknown) => {
      throw unreadable(join(folder, name), error)
    })
  const authorities = await Promise.all(names.filter((name) => name.endsWith('.crt')).map(read))
  const certificate = names.find((name) => name.endsWith('.cert'))
  if (certificate === undefined) return { authorities }
  const key = certificate.replace(/\.cert$/, '.key')
  if (!names.includes(key)) {
    throw new SluiceError('SLUICE_CONFIG', `${join(folder, certificate)} has no key beside it: ${key} is missing`)
  }
  const client = { certificate: await read(certificate), key: await read(key) }
  try {
    createSecureContext({ cert: client.certificate, key: client.key })
  } catch (cause) {
    const what = `${join(folder, certificate)} and ${key} beside it`
    throw new SluiceError('SLUICE_CONFIG', `${what} cannot be used: ${reasonOf(cause)}`, { cause })
  }
  return { authorities, client }
}

/** A TLS context that trusts the system, and what is given besides. */
export async function makeSecureContext(
  environment: Environment,
  { authorities, client }: HostCertificates = { authorities: [] },
  insecure = false,
): Promise<SecureContext> {
  // To read the 140 authorities of a system takes a tenth of a second; who accepts any certificate asks none of them.
  const ca = insecure ? [] : [...(await systemAuthorities(environment)), ...authorities]
  try {
    return createSecureContext({
      ca,
      // As for other tools: whoever puts an intermediate authority there, or the certificate of the server, trusts it.
      allowPartialTrustChain: true,
      ...(client && { cert: client.certificate, key: client.key }),
    })
  } catch (cause) {
    throw new SluiceError('SLUICE_CONFIG', `unusable certificates: ${reasonOf(cause)}`, { cause })
  }
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : ''
}

async function systemAuthorities(environment: Environment): Promise<(string | Buffer)[]> {
  const stated = environment['SSL_CERT_FILE']
  const extra = environment['NODE_EXTRA_CA_CERTS']
  const bundle = await firstReadable(stated === undefined || stated === '' ? systemBundles : [stated])
  const more = extra === undefined || extra === '' ? undefined : await firstReadable([extra])
  return [...(bundle === undefined ? rootCertificates : [bundle]), ...(more === undefined ? [] : [more])]
}

async function firstReadable(paths: readonly string[]): Promise<Buffer | undefined> {
  for (const path of paths) {
    const bytes = await readFile(path).catch(() => undefined)
    if (bytes !== undefined) return bytes
  }
  return undefined
}

function unreadable(path: string, cause: unknown): SluiceError {
  return new SluiceError('SLUICE_CONFIG', `cannot read certificates in ${path}: ${reasonOf(cause)}`, { cause })
}
