/** CPU time of ended children, as the kernel counts it for this process. */
import { readFileSync } from 'node:fs'

export interface CpuTimes {
  readonly userSeconds: number
  readonly systemSeconds: number
}

/** The unit of times in /proc: 1/100 s on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

/** CPU of all children so far that ended and were waited for, with those that they waited for. */
export function childTimes(): CpuTimes {
  return parseChildTimes(readFileSync('/proc/self/stat', 'utf8'))
}

/** @param stat a line of /proc/PID/stat (proc(5)): the second field is a name in parentheses that may hold anything. */
export function parseChildTimes(stat: string): CpuTimes {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  // Fields 16 and 17 of the line, the first here is the third.
  const [userSeconds, systemSeconds] = [fields[13], fields[14]].map((ticks) => Number(ticks) / TICKS_PER_SECOND)
  return { userSeconds, systemSeconds }
}
