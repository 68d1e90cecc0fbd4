import { SluiceError } from '../errors.js'

/**
 * The first signal, or that nobody reads the output any more, cancels and cleans up; a second one, of whatever kind, ends the
 * process as it is.
 */
export function cancelOnSignals(): AbortController {
  const controller = new AbortController()
  let isFirst = true
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    // A terminal that is closed. Under nohup, too: Node forgets that the signal was to be ignored.
    ['SIGHUP', 129],
  ] as const) {
    process.on(signal, () => {
      if (!isFirst) process.exit(status)
      isFirst = false
      controller.abort(new SluiceError('SLUICE_CANCELLED', `stopped by ${signal}; the next run goes on from here`))
      process.exitCode = status
    })
  }
  process.stdout.once('error', (error) => {
    controller.abort(new SluiceError('SLUICE_CANCELLED', `standard output: ${error.message}`, { cause: error }))
  })
  return controller
}
