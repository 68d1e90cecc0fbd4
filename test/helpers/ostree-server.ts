/** A directory over HTTP on loopback, as the servers of ostree repositories are, with a log and faults on demand. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { readFileSync, statSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

/** Answers a request in place of the directory; false leaves it to that. */
export type Fault = (request: IncomingMessage, response: ServerResponse, body: Buffer | undefined) => boolean

export interface OstreeServer {
  readonly url: string
  /** `PATH STATUS` of each request, in order; the path as it was sent. */
  readonly log: string[]
  readonly headers: IncomingMessage['headers'][]
  fault: Fault | undefined
}

/** Serves `directory` until the test ends. Knows Last-Modified, and no ETag unless one is given. */
export async function serveOstree(t: TestContext, directory: string, etag?: string): Promise<OstreeServer> {
  const server = createServer((request, response) => {
    const path = request.url!.split('?')[0]
    running.headers.push(request.headers)
    response.on('close', () => running.log.push(`${request.url} ${response.statusCode}`))
    const file = join(directory, decodeURIComponent(path))
    const stats = statSync(file, { throwIfNoEntry: false })
    const body = stats?.isFile() === true ? readFileSync(file) : undefined
    if (running.fault?.(request, response, body) === true) return
    if (stats === undefined || body === undefined) return void response.writeHead(404).end('<html>not found</html>')
    const modified = stats.mtime.toUTCString()
    const unchanged =
      etag === undefined ? request.headers['if-modified-since'] === modified : request.headers['if-none-match'] === etag
    const headers = { 'last-modified': modified, ...(etag !== undefined && { etag }) }
    if (unchanged) return void response.writeHead(304, headers).end()
    response.writeHead(200, { ...headers, 'content-length': body.length }).end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const running: OstreeServer = { url, log: [], headers: [], fault: undefined }
  return running
}

/** The log without objects, and how many of those there were. */
export function splitLog(log: readonly string[]): { requests: string[]; objects: number } {
  const requests = log.filter((line) => !line.startsWith('/objects/'))
  return { requests, objects: log.length - requests.length }
}
