/** Bars hide the cursor, and lines do not wrap while they are drawn: the shell behind them has to get its terminal back. */
import type { Renderer } from './show-events.js'

/** The renderer, whose `end` runs however the process ends, as far as it is told. */
export function onTerminal<Event>(renderer: Renderer<Event>): Renderer<Event> {
  // Where somebody listens the work is cancelled, which ends in `end`, or the process exits.
  const fatal = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).filter((signal) => process.listenerCount(signal) === 0)
  const endOnce = (): void => {
    process.off('exit', endOnce)
    for (const signal of fatal) process.off(signal, onSignal)
    renderer.end()
  }
  const onSignal = (signal: NodeJS.Signals): void => {
    endOnce()
    process.kill(process.pid, signal)
  }
  process.once('exit', endOnce)
  for (const signal of fatal) process.once(signal, onSignal)
  return { show: (event) => renderer.show(event), end: endOnce }
}
