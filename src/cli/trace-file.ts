/** `--trace FILE`: what a run did and when, to be opened in Perfetto or in Chrome's tracing page. */
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { ioError } from '../errors.js'
import type { OnSpan } from '../index.js'

/** Text that is kept before it is written. */
const BUFFER_LENGTH = 256 * 1024

/**
 * Does `work`, and has what it tells of its spans in the file, if one is wanted. The file is whole also where the work fails, or
 * the process exits meanwhile.
 *
 * @throws SluiceError if the file cannot be written; what the work failed of goes before that.
 */
export async function withTrace<Result>(
  path: string | undefined,
  work: (onSpan: OnSpan | undefined) => Promise<Result>,
): Promise<Result> {
  if (path === undefined) return work(undefined)
  const trace = await openTraceFile(path)
  const end = (): void => trace.close(true)
  process.once('exit', end)
  try {
    const result = await work(trace.onSpan)
    trace.close(false)
    return result
  } finally {
    end()
    process.off('exit', end)
  }
}

interface TraceFile {
  readonly onSpan: OnSpan
  /** Ends the file; a second time nothing happens. @param quietly what goes wrong is not told. */
  close(quietly: boolean): void
}

async function openTraceFile(path: string): Promise<TraceFile> {
  const { ChromeTrace } = await import('../index/trace.js')
  let fd = attempt(path, () => openSync(path, 'w'))
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
    close: (quietly) => {
      if (fd < 0) return
      text += ']\n'
      try {
        flush()
      } catch (error) {
        if (!quietly) throw error
      } finally {
        closeSync(fd)
        fd = -1
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
