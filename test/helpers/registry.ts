/**
 * A real registry on loopback, with faults on request, for tests, the demo and benches.
 *
 * It serves what was put into it (bytes in memory, or blobs of an OCI layout on disk), and keeps a log of requests.
 */
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Digest } from '../../src/formats/digest.js'
import { RegistryGuard, type RegistryAuth } from './registry-auth.js'
import { faultyBytes, takeFault, type Fault, type FaultRule } from './registry-faults.js'

/** Read from a layout at a time: what benches serve is to cost them little; 64 KiB took twice the CPU. */
const PIECE_BYTES = 512 * 1024

export interface TestRegistryOptions {
  readonly auth?: RegistryAuth
  /** Serve https with these. */
  readonly tls?: { readonly key: Buffer; readonly cert: Buffer }
  /** Default: any free one. */
  readonly port?: number
}

export interface RequestRecord {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly headers: IncomingMessage['headers']
  status: number
  /** Bytes of a blob that were handed to the socket. */
  sent: number
}

interface StoredBlob {
  readonly size: number
  readonly read: (start: number) => Readable
}

interface StoredManifest {
  readonly bytes: Buffer
  readonly mediaType: string
}

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const resourcePath = /^\/v2\/(.+)\/(manifests|blobs|tags|referrers)\/([^/?]+)$/

export class TestRegistry {
  readonly requests: RequestRecord[] = []
  readonly guard: RegistryGuard | undefined
  /** Bytes of blobs a second, over all connections. */
  bytesPerSecond = Infinity
  /** When the next piece may leave. */
  #nextPiece = 0
  readonly #server: Server
  readonly #scheme: string
  readonly #faults: FaultRule[] = []
  readonly #blobs = new Map<string, StoredBlob>()
  /** By `repository@digest`. */
  readonly #manifests = new Map<string, StoredManifest>()
  /** By `repository:tag`. */
  readonly #tags = new Map<string, string>()

  private constructor(server: Server, { auth, tls }: TestRegistryOptions) {
    this.#server = server
    this.#scheme = tls === undefined ? 'http' : 'https'
    this.guard = auth && new RegistryGuard(auth, this.origin)
  }

  static async start(options: TestRegistryOptions = {}): Promise<TestRegistry> {
    const server = options.tls === undefined ? createServer() : (createTlsServer(options.tls) as unknown as Server)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(options.port ?? 0, '127.0.0.1', resolve)
    })
    const registry = new TestRegistry(server, options)
    server.on('request', (request, response) => {
      registry.#answer(request, response).catch(() => response.destroy())
    })
    return registry
  }

  /** `127.0.0.1:port`. */
  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  get origin(): string {
    return `${this.#scheme}://${this.host}`
  }

  /** Connections that are open now. */
  connections(): Promise<number> {
    return new Promise((resolve, reject) =>
      this.#server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    )
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  /** Bytes of blobs that were handed to sockets. */
  get sent(): number {
    return this.requests.reduce((sum, { sent }) => sum + sent, 0)
  }

  fault(fault: Fault): void {
    this.#faults.push({ fault, left: fault.times ?? 1 })
  }

  /** The log of requests whose path fits. */
  requestsFor(path: RegExp): RequestRecord[] {
    return this.requests.filter(({ url }) => path.test(url))
  }

  putBlob(bytes: Uint8Array, digest: string = sha256(bytes)): { digest: Digest; size: number } {
    this.#blobs.set(digest, { size: bytes.length, read: (start) => Readable.from(slices(bytes.subarray(start))) })
    return { digest: digest as Digest, size: bytes.length }
  }

  putManifest(repository: string, tag: string | undefined, bytes: Uint8Array, mediaType = OCI_MANIFEST): Digest {
    const digest = sha256(bytes)
    this.#manifests.set(`${repository}@${digest}`, { bytes: Buffer.from(bytes), mediaType })
    if (tag !== undefined) this.#tags.set(`${repository}:${tag}`, digest)
    return digest
  }

  /** Bytes of a manifest that is here. */
  manifestSize(repository: string, digest: string): number {
    return this.#manifests.get(`${repository}@${digest}`)!.bytes.length
  }

  /** Serves every image of an OCI layout; its blobs are read from the disk. */
  addLayout(directory: string, repository: string, tag: string): void {
    const [first] = this.#addIndex(directory, repository, readFileSync(join(directory, 'index.json')))
    if (first !== undefined) this.#tags.set(`${repository}:${tag}`, first)
  }

  #addIndex(directory: string, repository: string, index: Buffer): string[] {
    const { manifests } = JSON.parse(index.toString()) as { manifests: { digest: string; mediaType: string }[] }
    for (const { digest, mediaType } of manifests) {
      const bytes = readFileSync(blobPath(directory, digest))
      this.#manifests.set(`${repository}@${digest}`, { bytes, mediaType })
      if (mediaType.includes('index') || mediaType.includes('list')) this.#addIndex(directory, repository, bytes)
      else this.#addBlobsOf(directory, bytes)
    }
    return manifests.map(({ digest }) => digest)
  }

  #addBlobsOf(directory: string, manifest: Buffer): void {
    const { config, layers } = JSON.parse(manifest.toString()) as Record<'config', { digest: string }> & {
      layers: { digest: string }[]
    }
    for (const { digest } of [config, ...layers]) {
      const path = blobPath(directory, digest)
      if (existsSync(path)) {
        this.#blobs.set(digest, {
          size: statSync(path).size,
          read: (start) => createReadStream(path, { start, highWaterMark: PIECE_BYTES }),
        })
      }
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', headers } = request
    // A proxy's client sends the whole URL.
    const url = request.url!.replace(/^https?:\/\/[^/]+/, '')
    const record: RequestRecord = { method, url, headers, status: 0, sent: 0 }
    this.requests.push(record)
    response.on('close', () => (record.status = response.statusCode))
    const fault = takeFault(this.#faults, url, headers.range !== undefined)
    if (fault !== undefined && answerFault(response, fault, url)) return
    const path = url.split('?')[0]
    if (path === '/token' && this.guard !== undefined) return this.guard.giveToken(request, response)
    const [, repository, kind, name] = resourcePath.exec(path) ?? []
    if (this.guard !== undefined && !this.guard.allows(request)) {
      return this.guard.challenge(response, repository === undefined ? undefined : `repository:${repository}:pull`)
    }
    if (path === '/v2/') return send(response, 200, 'application/json', Buffer.from('{}'))
    if (kind === 'manifests') return this.#sendManifest(response, method, repository, decodeURIComponent(name))
    if (kind === 'blobs') return this.#sendBlob(request, response, decodeURIComponent(name), fault, record)
    if (kind === 'tags') return this.#sendTags(response, repository)
    notFound(response, 'NOT_FOUND')
  }

  #sendManifest(response: ServerResponse, method: string, repository: string, reference: string): void {
    const digest = reference.includes(':') ? reference : this.#tags.get(`${repository}:${reference}`)
    const manifest = this.#manifests.get(`${repository}@${digest}`)
    if (manifest === undefined) return notFound(response, 'MANIFEST_UNKNOWN')
    response.setHeader('docker-content-digest', digest!)
    send(response, 200, manifest.mediaType, manifest.bytes, method === 'HEAD')
  }

  #sendTags(response: ServerResponse, repository: string): void {
    const prefix = `${repository}:`
    const tags = [...this.#tags.keys()].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length))
    if (tags.length === 0) return notFound(response, 'NAME_UNKNOWN')
    send(response, 200, 'application/json', Buffer.from(JSON.stringify({ name: repository, tags: tags.sort() })))
  }

  async #sendBlob(
    request: IncomingMessage,
    response: ServerResponse,
    digest: string,
    fault: Fault | undefined,
    record: RequestRecord,
  ): Promise<void> {
    const blob = this.#blobs.get(digest)
    if (blob === undefined) return notFound(response, 'BLOB_UNKNOWN')
    const etag = fault?.etag === undefined ? `"${digest}"` : fault.etag
    const ifRange = request.headers['if-range']
    const isSame = ifRange === undefined || ifRange === etag
    const [, from] =
      fault?.ignoreRange === true || !isSame ? [] : (/^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [])
    const start = Number(from ?? 0)
    if (etag !== null) response.setHeader('etag', etag)
    response.setHeader('content-type', 'application/octet-stream')
    if (from !== undefined && start >= blob.size) {
      response.writeHead(416, { 'content-range': `bytes */${blob.size}` }).end()
      return
    }
    if (from !== undefined) {
      response.statusCode = 206
      const stated =
        fault?.contentRange === undefined ? `bytes ${start}-${blob.size - 1}/${blob.size}` : fault.contentRange
      if (stated !== null) response.setHeader('content-range', stated)
    }
    if (fault?.append === undefined) response.setHeader('content-length', blob.size - start)
    response.flushHeaders()
    if (request.method === 'HEAD') return void response.end()
    await pipeline(this.#paced(faultyBytes(blob.read(start), start, fault), record), response, { end: false })
    if (fault?.cutAfter !== undefined) response.socket?.destroySoon()
    else if (fault?.stallAfter === undefined) response.end()
  }

  async *#paced(bytes: AsyncIterable<Uint8Array>, record: RequestRecord): AsyncGenerator<Uint8Array> {
    for await (const piece of bytes) {
      const now = performance.now()
      this.#nextPiece = Math.max(now, this.#nextPiece) + (piece.length / this.bytesPerSecond) * 1000
      if (this.#nextPiece > now) await sleep(this.#nextPiece - now)
      record.sent += piece.length
      yield piece
    }
  }
}

/** Answers in place of the registry, if the fault says with what. */
function answerFault(response: ServerResponse, fault: Fault, url: string): boolean {
  const { status, headers = {}, body = '', redirect, disconnect } = fault
  if (disconnect === true) {
    response.destroy()
    return true
  }
  if (redirect !== undefined) {
    const location = new URL(redirect).pathname === '/' ? redirect.replace(/\/$/, '') + url : redirect
    response.writeHead(status ?? 307, { ...headers, location }).end()
    return true
  }
  if (status === undefined) return false
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body)
  return true
}

function send(response: ServerResponse, status: number, mediaType: string, body: Buffer, headOnly = false): void {
  response.writeHead(status, { 'content-type': mediaType, 'content-length': body.length })
  response.end(headOnly ? undefined : body)
}

function notFound(response: ServerResponse, code: string): void {
  send(response, 404, 'application/json', Buffer.from(JSON.stringify({ errors: [{ code, message: 'unknown' }] })))
}

function* slices(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
}

function blobPath(directory: string, digest: string): string {
  return join(directory, 'blobs', digest.replace(':', '/'))
}

function sha256(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest
}
