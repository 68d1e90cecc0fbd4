/** A certificate for 127.0.0.1, made by the openssl program. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface TestCertificate {
  readonly key: Buffer
  readonly cert: Buffer
}

/** Signed by itself, or by `issuer`. Undefined if there is no openssl here. */
export function makeCertificate(issuer?: TestCertificate): TestCertificate | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-tls-'))
  const key = join(folder, 'key.pem')
  const cert = join(folder, 'cert.pem')
  const signedBy: string[] = []
  if (issuer !== undefined) {
    for (const part of ['key', 'cert'] as const) writeFileSync(join(folder, `issuer.${part}`), issuer[part])
    signedBy.push('-CA', join(folder, 'issuer.cert'), '-CAkey', join(folder, 'issuer.key'))
  }
  try {
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        ...signedBy,
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
        '-subj',
        '/CN=127.0.0.1',
        '-addext',
        'subjectAltName=IP:127.0.0.1',
        '-keyout',
        key,
        '-out',
        cert,
      ],
      { stdio: 'ignore' },
    )
    return { key: readFileSync(key), cert: readFileSync(cert) }
  } catch {
    return undefined
  } finally {
    rmSync(folder, { recursive: true })
  }
}
