/** Standard input and output where they are something that Node makes no stream of. */
import { createReadStream, fstatSync, writeFileSync, type Stats } from 'node:fs'
import { Readable, Writable } from 'node:stream'
import { ioError } from '../errors.js'

const STDIN = 0
const STDOUT = 1

/**
 * Node takes a block device or a directory for standard input that is empty, and lets what is written to a block device
 * disappear, without a word in either case. Here both are read and written, and so refused where they cannot be.
 */
export function openStandardStreams(): void {
  if (isUnknownToNode(STDIN)) replace('stdin', Readable.from(readDirectly()))
  if (isUnknownToNode(STDOUT)) replace('stdout', writeDirectly())
}

function isUnknownToNode(fd: number): boolean {
  let stats: Stats
  try {
    stats = fstatSync(fd)
  } catch {
    return false
  }
  return stats.isBlockDevice() || stats.isDirectory()
}

async function* readDirectly(): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream('', { fd: STDIN, autoClose: false }) as AsyncIterable<Buffer>
  } catch (error) {
    throw ioError(error, 'standard input')
  }
}

/** Written at once, as Node does it for files: the process may exit without waiting. */
function writeDirectly(): Writable {
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      try {
        writeFileSync(STDOUT, chunk)
        done()
      } catch (error) {
        done(error as Error)
      }
    },
  })
}

function replace(name: 'stdin' | 'stdout', stream: Readable | Writable): void {
  Object.defineProperty(process, name, { configurable: true, enumerable: true, get: () => stream })
}
