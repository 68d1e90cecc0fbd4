/** `--trace FILE`: what a run did and when, to be opened in Perfetto or in Chrome's tracing page. */
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { ioError } from '../errors.js'
import type { OnSpan } from '../index.js'

/** Text that is kept before it is written. */
const BUFFER_LENGTH = 256 * 1024

export interface TraceFile {
  readonly onSpan: OnSpan
  /** Ends the file; it is valid even if the run failed. */
  close(): void
}

/** @throws SluiceError if the file cannot be made. */
export async function openTraceFile(path: string): Promise<TraceFile> {
  const { ChromeTrace } = await import('../index/trace.js')
  const fd = attempt(path, () => openSync(path, 'w'))
  const trace = new ChromeTrace()
  let text = '['
  const flush = (): void => {
    const full = text
    text = ''
    attempt(path, () => writeFileSync(fd, full))
  }
  return {
    onSpan: (span) => {
      text += trace.encode(span)
      if (text.length > BUFFER_LENGTH) flush()
    },
    close: () => {
      text += ']\n'
      try {
        flush()
      } finally {
        closeSync(fd)
      }
    },
  }
}

function attempt<Result>(path: string, work: () => Result): Result {
  try {
    return work()
  } catch (error) {
    throw ioError(error, `cannot write the trace ${path}`)
  }
}
