import { read } from 'node:fs'
import { promisify } from 'node:util'

const readAt = promisify(read)
const CHUNK_BYTES = 256 * 1024

/** The bytes of an open file from its beginning; each chunk is used up before the next one is asked for. */
export async function* readInChunks(fd: number): AsyncGenerator<Buffer> {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
  for (let position = 0; ;) {
    const { bytesRead } = await readAt(fd, buffer, 0, CHUNK_BYTES, position)
    if (bytesRead === 0) return
    position += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}
