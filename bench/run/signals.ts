/** Interrupts end a bench in good order: mounts, servers and folders go away; a second one ends it at once. */
import { SluiceError } from '../../src/errors.js'

const statuses = { SIGINT: 130, SIGTERM: 143 } as const

export async function withSignals<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const onSignal = (name: NodeJS.Signals) => {
    const status = statuses[name as keyof typeof statuses]
    if (controller.signal.aborted) process.exit(status)
    process.exitCode = status
    controller.abort(new SluiceError('SLUICE_CANCELLED', `ended by ${name}`))
  }
  for (const name of Object.keys(statuses)) process.on(name, onSignal)
  try {
    return await work(controller.signal)
  } finally {
    for (const name of Object.keys(statuses)) process.off(name, onSignal)
  }
}
