/**
 * Sockets that are read into memory which is used again. Node gives every read 64 KiB of its own, which come from the kernel
 * and go back to it, and for which V8 collects: a tenth of the CPU time of the image `os` from a registry.
 */
import type { OnReadOpts, Socket } from 'node:net'
import type { buildConnector as connectors } from 'undici'
import { buildConnector } from './undici.js'

/** What is read at a time; two of these for each connection. */
const READ_BYTES = 64 * 1024
/** Smaller pieces are copied: they may be parts of headers, and undici keeps those until all have come. */
const LEAST_KEPT = 32 * 1024
/** All headers of an answer, in bytes: fewer than `LEAST_KEPT`. */
export const MAX_HEADERS = 16 * 1024

/** What undici and Node heed of a connection that is being made. */
export interface ConnectOptions {
  /** Milliseconds. */
  readonly timeout: number
  /** Closes the socket, connected or not. */
  readonly signal?: AbortSignal
}

/** Opens sockets without TLS. A piece that one gives is good until the next one is asked for. */
export function connectWithReusedReads(connection: ConnectOptions): connectors.connector {
  return (options, callback) => {
    const reads = new ReusedReads()
    // Nothing is read while a piece waits, whatever its length: the buffer of the one before it is free by then.
    const connect = buildConnector({
      ...connection,
      highWaterMark: 1,
      onread: reads,
    } as connectors.BuildOptions)
    connect(options, (...result) => {
      const [, socket] = result
      if (socket !== null) reads.socket = socket
      callback(...result)
    })
  }
}

class ReusedReads implements OnReadOpts {
  socket: Socket | undefined
  #current: Buffer = Buffer.allocUnsafeSlow(READ_BYTES)
  #other: Buffer | undefined

  /** Where the next piece goes. */
  readonly buffer = (): Buffer => this.#current

  readonly callback = (length: number): boolean => {
    const piece = this.#current.subarray(0, length)
    if (length < LEAST_KEPT) return this.socket!.push(Buffer.from(piece))
    const other = this.#other ?? Buffer.allocUnsafeSlow(READ_BYTES)
    this.#other = this.#current
    this.#current = other
    return this.socket!.push(piece)
  }
}
