/** Bodies that are handed on as they come, from a real server. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { connectionError } from '../../src/stages/fetch/http/errors.js'
import { receive, type BodySink } from '../../src/stages/fetch/http/receive.js'
import { connectWithReusedReads, MAX_HEADERS } from '../../src/stages/fetch/http/reused-reads.js'
import { Agent } from '../../src/stages/fetch/http/undici.js'
import { noise } from '../helpers/registry-images.js'

const body = noise(3_000_000)

async function serve(t: TestContext, listener: RequestListener): Promise<URL> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
}

const openAgent = () => new Agent({ connect: connectWithReusedReads({ timeout: 5000 }), maxHeaderSize: MAX_HEADERS })

/** The status that came, after the body went to `sink`. */
async function get(
  t: TestContext,
  url: URL,
  sink: BodySink,
  signal = new AbortController().signal,
  stallTimeoutMs = 5000,
): Promise<number> {
  const agent = openAgent()
  t.after(() => agent.destroy())
  let answered = 0
  await receive(agent, url, { headers: {}, signal, stallTimeoutMs }, (status) => {
    answered = status
    return status === 200 ? sink : undefined
  })
  return answered
}

test('a body comes whole and in order, whether or not its taker has to wait', async (t) => {
  const url = await serve(t, (_request, response) => void response.end(body))
  for (const waits of [0, 1, 7]) {
    const pieces: Uint8Array[] = []
    let isWaiting = false
    const status = await get(t, url, (piece) => {
      assert.equal(isWaiting, false)
      const taken = Buffer.from(piece)
      pieces.push(taken)
      if (waits === 0 || pieces.length % waits !== 0) return undefined
      isWaiting = true
      return Promise.resolve(waits === 1 ? undefined : pause(1)).then(() => {
        assert.ok(taken.equals(piece), 'a piece changed while its taker had it')
        isWaiting = false
      })
    })
    assert.equal(status, 200)
    assert.ok(Buffer.concat(pieces).equals(body))
  }
})

test('headers that come in pieces, one after the other, are those that were sent', async (t) => {
  const stated = Array.from({ length: 100 }, (_, i) => `x-${i}: ${'abcdefghij'.repeat(1 + (i % 12))}${i}`)
  const head = ['HTTP/1.1 200 OK', `content-length: ${body.length}`, ...stated, '', ''].join('\r\n')
  const server = createTcpServer((socket) => {
    socket.setNoDelay(true).on('error', () => undefined)
    const answer = async (): Promise<void> => {
      for (let at = 0; at < head.length; at += 701) {
        socket.write(head.slice(at, at + 701), 'latin1')
        await pause(2)
      }
      socket.end(body)
    }
    socket.once('data', () => void answer())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  const agent = openAgent()
  t.after(() => agent.destroy())
  const pieces: Uint8Array[] = []
  let came: string[] = []
  const options = { headers: {}, signal: new AbortController().signal, stallTimeoutMs: 5000 }
  await receive(agent, url, options, (_status, headers) => {
    came = stated.map((_, i) => `x-${i}: ${String(headers[`x-${i}`])}`)
    return (piece) => void pieces.push(Buffer.from(piece))
  })
  assert.deepEqual(came, stated)
  assert.ok(Buffer.concat(pieces).equals(body))
})

test('a taker that fails ends it, with its own error', async (t) => {
  const url = await serve(t, (_request, response) => void response.end(body))
  const failure = new Error('enough')
  const throws: BodySink = () => {
    throw failure
  }
  await assert.rejects(get(t, url, throws), failure)
  await assert.rejects(
    get(t, url, async () => Promise.reject(failure)),
    failure,
  )
})

test('it ends only when the taker is done with what it has', async (t) => {
  const url = await serve(t, (_request, response) => {
    response.writeHead(200, { 'content-length': body.length })
    response.write(body.subarray(0, 1000), () => setTimeout(() => response.destroy(), 50))
  })
  let isDone = false
  const slow = async (): Promise<void> => {
    await pause(200)
    isDone = true
  }
  await assert.rejects(get(t, url, slow))
  assert.equal(isDone, true)
})

test('cancelled before it, and in the middle', async (t) => {
  const url = await serve(t, (_request, response) => void response.write('a beginning'))
  const controller = new AbortController()
  const stop = (): undefined => {
    controller.abort()
  }
  await assert.rejects(get(t, url, stop, controller.signal), { code: 'SLUICE_CANCELLED' })
  await assert.rejects(get(t, url, stop, controller.signal), { code: 'SLUICE_CANCELLED' })
})

test('a body that nobody wants is passed over, however long it is', async (t) => {
  const never: BodySink = () => assert.fail('a piece of what is not wanted')
  for (const unwanted of [Buffer.alloc(0), Buffer.from('not found'), body]) {
    const url = await serve(t, (_request, response) => void response.writeHead(404).end(unwanted))
    assert.equal(await get(t, url, never), 404)
  }
})

test('a body that nobody wants may be cut or never end: the answer counts', async (t) => {
  const never: BodySink = () => assert.fail('a piece of what is not wanted')
  for (const then of ['cut', 'stall']) {
    const url = await serve(t, (_request, response) => {
      response.writeHead(401, { 'content-length': 1000 })
      response.write('not so', () => then === 'cut' && setTimeout(() => response.destroy(), 20))
    })
    assert.equal(await get(t, url, never, undefined, 1000), 401)
  }
})

test('a body that nobody wants and that trickles in is not waited for', async (t) => {
  const url = await serve(t, (_request, response) => {
    response.writeHead(404)
    const trickle = setInterval(() => response.write('x'), 20)
    response.on('close', () => clearInterval(trickle))
  })
  const signal = AbortSignal.timeout(30_000)
  assert.equal(await get(t, url, () => assert.fail('a piece of what is not wanted'), signal, 1000), 404)
})

test('a request that cannot be sent is not tried again', async (t) => {
  const url = await serve(t, (_request, response) => void response.end())
  const agent = openAgent()
  t.after(() => agent.destroy())
  const { signal } = new AbortController()
  const options = { headers: { authorization: 'Bearer x\ny: z' }, signal, stallTimeoutMs: 5000 }
  const sent = receive(agent, url, options, () => undefined)
  await assert.rejects(sent, (cause) => !connectionError(cause, url, 'x', signal).retryable)
})

test('of a host with several addresses, each says why it is not reached', () => {
  const refusals = ['[::1]:1', '127.0.0.1:1'].map((at) => new Error(`connect ECONNREFUSED ${at}`))
  const cause = Object.assign(new AggregateError(refusals, ''), { code: 'ECONNREFUSED' })
  const { message, retryable } = connectionError(
    cause,
    new URL('http://two.example:1/'),
    'app',
    new AbortController().signal,
  )
  assert.match(message, /: connect ECONNREFUSED \[::1\]:1, connect ECONNREFUSED 127\.0\.0\.1:1$/)
  assert.equal(retryable, true)
})

test('who refuses an answer ends it', async (t) => {
  const url = await serve(t, (_request, response) => void response.end(body))
  const agent = openAgent()
  t.after(() => agent.destroy())
  const options = { headers: {}, signal: new AbortController().signal, stallTimeoutMs: 5000 }
  const failure = new Error('not this')
  const refuse = (): never => {
    throw failure
  }
  await assert.rejects(receive(agent, url, options, refuse), failure)
})
