/**
 * One request whose answer is handed on as it arrives. Streams, as undici's own `request` gives them, cost more than all else
 * where answers are small: a repository of ostree has 13,000 files, of 30 KB each.
 */
import type { Dispatcher } from 'undici'
import { cancelled } from '../../../errors.js'

export interface ReceiveOptions {
  readonly headers: Readonly<Record<string, string>>
  /** The body of a POST; without one the request is a GET. */
  readonly form?: string | undefined
  readonly signal: AbortSignal
  /** Milliseconds without a byte. */
  readonly stallTimeoutMs: number
}

export type AnswerHeaders = Readonly<Record<string, string | string[] | undefined>>

/**
 * Takes a piece of a body, whose memory is good until the call returns, or until the promise that it gives is settled; nothing
 * more comes while that is pending.
 */
export type BodySink = (piece: Uint8Array) => Promise<void> | undefined

/** Told what the answer is before its body comes; gives who takes the body, undefined if nobody wants it. */
export type OnAnswer = (status: number, headers: AnswerHeaders) => BodySink | undefined

/** What is read of a body that nobody wants, so that its connection can be used again. */
const MAX_UNWANTED = 64 * 1024
/** And how long that may take, in milliseconds: bytes that trickle in are no silence. */
const MAX_UNWANTED_MS = 3_000
const nothing = Buffer.alloc(0)

/**
 * Settles when all of the body is taken, with the beginning of one that nobody wants, which may tell why; rejects with
 * undici's errors, or with those of the sink.
 */
export function receive(
  dispatcher: Dispatcher,
  url: URL,
  { headers, form, signal, stallTimeoutMs }: ReceiveOptions,
  onAnswer: OnAnswer,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(cancelled(signal))
    const receiver = new Receiver(signal, Math.min(stallTimeoutMs, MAX_UNWANTED_MS), onAnswer, resolve, reject)
    dispatcher.dispatch(
      {
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method: form === undefined ? 'GET' : 'POST',
        headers,
        body: form ?? null,
        headersTimeout: stallTimeoutMs,
        bodyTimeout: stallTimeoutMs,
      },
      receiver,
    )
  })
}

class Receiver implements Dispatcher.DispatchHandler {
  readonly #signal: AbortSignal
  /** Milliseconds for a body that nobody wants. */
  readonly #unwantedTimeoutMs: number
  readonly #onAnswer: OnAnswer
  readonly #resolve: () => void
  readonly #reject: (error: unknown) => void
  #controller: Dispatcher.DispatchController | undefined
  #sink: BodySink | undefined
  /** Settled when the sink is done with what it has. */
  #taking: Promise<unknown> = Promise.resolve()
  /** What came of a body that nobody wants: whatever becomes of the rest, the answer is there. */
  #unwanted: Buffer | undefined
  #unwantedTimer: NodeJS.Timeout | undefined

  constructor(
    signal: AbortSignal,
    unwantedTimeoutMs: number,
    onAnswer: OnAnswer,
    resolve: (unwanted: Buffer) => void,
    reject: (error: unknown) => void,
  ) {
    this.#signal = signal
    this.#unwantedTimeoutMs = unwantedTimeoutMs
    this.#onAnswer = onAnswer
    this.#resolve = () => resolve(this.#unwanted ?? nothing)
    this.#reject = reject
    signal.addEventListener('abort', this.#onAbort)
  }

  readonly #onAbort = (): void => this.#fail(cancelled(this.#signal))

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#signal.aborted) this.#onAbort()
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: AnswerHeaders): void {
    if (status < 200) return
    this.#sink = this.#onAnswer(status, headers)
    if (this.#sink !== undefined) return
    this.#unwanted = nothing
    this.#unwantedTimer = setTimeout(() => this.#leaveUnwanted(controller), this.#unwantedTimeoutMs)
  }

  onResponseData(controller: Dispatcher.DispatchController, piece: Buffer): void {
    if (this.#unwanted !== undefined) {
      this.#unwanted = Buffer.concat([this.#unwanted, piece])
      if (this.#unwanted.length <= MAX_UNWANTED) return
      return this.#leaveUnwanted(controller)
    }
    const taking = this.#sink!(piece)
    if (taking === undefined) return
    controller.pause()
    this.#taking = Promise.allSettled([taking])
    taking.then(
      // Not at once: a parser that goes on before the event that fed it is over spins for ever (undici 7.30).
      () => setImmediate(() => controller.resume()),
      (error: unknown) => this.#fail(error),
    )
  }

  onResponseEnd(): void {
    this.#end(this.#resolve)
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    this.#end(this.#unwanted === undefined ? () => this.#reject(error) : this.#resolve)
  }

  /** The status has come, and is what counts. */
  #leaveUnwanted(controller: Dispatcher.DispatchController): void {
    this.#end(this.#resolve)
    controller.abort(new Error('not wanted'))
  }

  #fail(error: unknown): void {
    this.#end(() => this.#reject(error))
    this.#controller?.abort(error instanceof Error ? error : new Error(String(error)))
  }

  /** Whatever comes after it is of no interest. */
  #end(settle: () => void): void {
    this.#signal.removeEventListener('abort', this.#onAbort)
    clearTimeout(this.#unwantedTimer)
    void this.#taking.then(settle)
  }
}
