/** xz streams in memory: by liblzma, else by the program `xz`, as Node has no decoder for them. */
import { spawn } from 'node:child_process'
import { cancelled, SluiceError } from '../../errors.js'
import { Breather } from '../../flow/breather.js'
import { asBuffer } from '../../formats/bytes.js'
import { lzmaUsable, XZ_MEMORY_LIMIT, XzDecoder } from '../../native/lzma.js'
import { PinnedBuffer } from '../../native/pinned-buffer.js'

const OUTPUT_BYTES = 1024 * 1024

/**
 * @param limit most bytes that may come out.
 * @throws SluiceError `SLUICE_COMPRESSION` if it is corrupt, cut or followed by junk; `SLUICE_UNSUPPORTED` if more than
 * `limit` comes out; `SLUICE_NATIVE` if there is neither liblzma nor the program.
 */
export async function decompressXz(input: Uint8Array, limit: number, signal: AbortSignal): Promise<Buffer> {
  return lzmaUsable() ? decode(input, limit, signal) : runXz(input, limit, signal)
}

async function decode(input: Uint8Array, limit: number, signal: AbortSignal): Promise<Buffer> {
  const decoder = new XzDecoder()
  const output = PinnedBuffer.allocate(OUTPUT_BYTES)
  const result = new BoundedOutput(limit)
  const breather = new Breather(signal)
  try {
    for (let at = 0; ;) {
      const { consumed, produced, finished } = decoder.step(input.subarray(at), output, 0)
      at += consumed
      result.add(Buffer.from(output.bytes.subarray(0, produced)))
      if (finished && at < input.length) throw corrupt('it is followed by junk')
      if (finished) return result.whole()
      if (consumed === 0 && produced === 0) throw corrupt('it is cut short')
      await breather.breathe()
    }
  } finally {
    decoder.close()
  }
}

const corrupt = (what: string): SluiceError => new SluiceError('SLUICE_COMPRESSION', `xz: ${what}`)

/** What came out so far; it grows with that, not with what somebody states. */
class BoundedOutput {
  readonly #limit: number
  readonly #pieces: Buffer[] = []
  #length = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Keeps `piece`. */
  add(piece: Buffer): void {
    this.#length += piece.length
    if (this.#length > this.#limit) {
      throw new SluiceError('SLUICE_UNSUPPORTED', `xz: more than ${this.#limit} bytes come out`)
    }
    this.#pieces.push(piece)
  }

  whole(): Buffer {
    return Buffer.concat(this.#pieces, this.#length)
  }
}

function runXz(input: Uint8Array, limit: number, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // It warns of a check that it does not know, which liblzma passes over.
    const words = ['--decompress', '--stdout', '--format=xz', '--no-warn', `--memlimit-decompress=${XZ_MEMORY_LIMIT}`]
    const child = spawn('xz', words, {
      // Its own variables add options.
      env: { PATH: process.env['PATH'], LC_ALL: 'C' },
      stdio: ['pipe', 'pipe', 'pipe'],
      signal,
      killSignal: 'SIGKILL',
    })
    const result = new BoundedOutput(limit)
    let failure: SluiceError | undefined
    let said = ''
    child.stdout.on('data', (piece: Buffer) => {
      try {
        if (failure === undefined) result.add(piece)
      } catch (error) {
        failure = error as SluiceError
        child.kill('SIGKILL')
      }
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (said.length < 1000) said += text
    })
    // It ends before it has read all if that is corrupt.
    child.stdin.on('error', () => {})
    child.on('error', (cause) => {
      failure ??= signal.aborted ? cancelled(signal) : noDecoder(cause)
    })
    child.on('close', (status) => {
      if (failure === undefined && status !== 0) failure = corrupt(said.trim() || `the program ended with ${status}`)
      if (failure === undefined && !isOneStream(asBuffer(input))) {
        failure = corrupt('it is followed by junk')
      }
      if (failure === undefined) resolve(result.whole())
      else reject(failure)
    })
    child.stdin.end(input)
  })
}

const HEADER_BYTES = 12
const FOOTER_BYTES = 12

/**
 * Whether what the program has taken is one stream from its first byte to its last: it also takes several, and zeros behind
 * them, which liblzma, as it is called here and by the reference, does not. The index at the end of a stream has the sizes of
 * its blocks.
 */
function isOneStream(input: Buffer): boolean {
  const footer = input.length - FOOTER_BYTES
  if (input.subarray(-2).toString('latin1') !== 'YZ') return false
  const index = footer - 4 * (input.readUInt32LE(footer + 4) + 1)
  // Behind a byte that tells it from a block.
  let at = index + 1
  const number = (): number => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = input[at++]
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
  }
  let blocks = 0
  for (let left = number(); left > 0; left--) {
    blocks += 4 * Math.ceil(number() / 4)
    // What comes out of it.
    number()
  }
  return HEADER_BYTES + blocks === index
}

function noDecoder(cause: Error): SluiceError {
  return new SluiceError('SLUICE_NATIVE', `there is nothing to decompress xz with: ${cause.message}`, {
    cause,
    hint: 'install liblzma (Debian liblzma5, Fedora xz-libs) or the program xz (xz-utils, xz)',
  })
}
