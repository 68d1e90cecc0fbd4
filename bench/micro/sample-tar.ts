/** A tar of what layers are made of: pieces of the running program, machine code and text, cut into files. */
import { openSync, readSync, closeSync, fstatSync } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import { pack } from 'tar-stream'

const FILES_IN_DIRECTORY = 40
/** 2024-01-01. */
const MADE_AT = new Date(1_704_067_200_000)

export interface SampleOptions {
  /** Bytes of content in all, at most. */
  readonly contentBytes: number
  /** Size of the largest file. */
  readonly largestFile: number
}

/** The same sizes each time, from 20 bytes on, evenly over their logarithms. */
function* fileSizes(largest: number): Generator<number> {
  for (let state = 12345; ;) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    yield Math.floor(20 * (largest / 20) ** (state / 0x7fffffff))
  }
}

/** The bytes depend on the version of Node. */
export async function sampleTar({ contentBytes, largestFile }: SampleOptions): Promise<Buffer> {
  const content = startOfProgram(contentBytes)
  const tar = pack()
  const collected = buffer(tar)
  let at = 0
  let count = 0
  for (const size of fileSizes(largestFile)) {
    if (at + size > content.length) break
    const directory = `usr/lib/part-${Math.floor(count / FILES_IN_DIRECTORY)}`
    if (count % FILES_IN_DIRECTORY === 0) tar.entry({ name: `${directory}/`, type: 'directory', mtime: MADE_AT })
    tar.entry({ name: `${directory}/file-${count}.bin`, mode: 0o644, mtime: MADE_AT }, content.subarray(at, at + size))
    at += size
    count++
  }
  tar.finalize()
  return collected
}

function startOfProgram(length: number): Buffer {
  const fd = openSync(process.execPath, 'r')
  try {
    const bytes = Buffer.alloc(Math.min(length, fstatSync(fd).size))
    for (let at = 0; at < bytes.length;) {
      const count = readSync(fd, bytes, at, bytes.length - at, at)
      if (count === 0) return bytes.subarray(0, at)
      at += count
    }
    return bytes
  } finally {
    closeSync(fd)
  }
}

/** Views of `bytes`, of at most `size` each. */
export function* piecesOf(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

/** What `make` gave when it was first wanted. */
export function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => (made ??= make())
}
