/** gzip by node:zlib: the decoder that every host has. */
import type { TransformOptions } from 'node:stream'
import { createGunzip, type Gunzip, type ZlibOptions } from 'node:zlib'
import type { SluiceError } from '../../errors.js'
import { compressionError } from './compression-error.js'

/** With the default of 16 KiB the same decoder needs 1.6 times the CPU. */
const OUTPUT_BYTES = 256 * 1024
/** Inflated ahead, on another thread, while the consumer works on the last chunk. */
const AHEAD_BYTES = 1024 * 1024

/**
 * Inflates all members of `source`.
 *
 * Node joins members and fails on junk after the last one, but takes a zero byte there for padding and ignores all that
 * follows it; the count of consumed bytes tells. Such input is an error here as in the reference.
 */
export async function* gunzip(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const options: ZlibOptions & TransformOptions = { chunkSize: OUTPUT_BYTES, readableHighWaterMark: AHEAD_BYTES }
  const inflater = createGunzip(options)
  const activity = new Activity(inflater)
  let fed = 0
  try {
    for await (const chunk of source) {
      if (chunk.length === 0) continue
      fed += chunk.length
      let consumed = false
      inflater.write(chunk, () => {
        consumed = true
        activity.signal()
      })
      yield* output(inflater, activity, () => consumed)
      if (inflater.bytesWritten < fed) throw compressionError('gzip', 'there is junk after the last member')
    }
    if (fed === 0) throw compressionError('gzip', 'there is no data, not even an empty member')
    inflater.end()
    yield* output(inflater, activity, () => inflater.readableEnded)
  } catch (error) {
    throw error === activity.error ? inflaterError(error as NodeJS.ErrnoException, fed) : error
  } finally {
    inflater.destroy()
  }
}

/** @param fed bytes that the inflater was given. */
function inflaterError(error: NodeJS.ErrnoException, fed: number): SluiceError {
  const isCut = error.code === 'Z_BUF_ERROR'
  const what = isCut ? `the data is cut short after ${fed} bytes` : `the data is corrupt (${error.message})`
  return compressionError('gzip', what, error)
}

/** What the inflater has to give until `finished`. */
async function* output(inflater: Gunzip, activity: Activity, finished: () => boolean): AsyncGenerator<Uint8Array> {
  for (;;) {
    const chunk = inflater.read() as Buffer | null
    if (activity.error !== undefined) throw activity.error
    if (chunk !== null) yield chunk
    else if (finished()) return
    else await activity.next()
  }
}

/** Waits for whatever a stream reports next. */
class Activity {
  error: Error | undefined
  #pending = false
  #wake: (() => void) | undefined

  constructor(stream: Gunzip) {
    const signal = () => this.signal()
    stream.on('readable', signal).on('end', signal).on('close', signal)
    stream.on('error', (error) => {
      this.error = error
      signal()
    })
  }

  signal(): void {
    this.#pending = true
    this.#wake?.()
  }

  async next(): Promise<void> {
    if (!this.#pending) await new Promise<void>((resolve) => (this.#wake = resolve))
    this.#pending = false
    this.#wake = undefined
  }
}
