import { setTimeout as sleep } from 'node:timers/promises'

/** Waits until something holds; a minute is more than any busy machine needs. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 60_000; !(await holds()); await sleep(5)) {
    if (performance.now() > end) throw new Error(`not in a minute: ${holds.toString()}`)
  }
}
