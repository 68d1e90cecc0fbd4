/** Opening sources in tests: nothing of the machine's configuration is seen, and retries are quick. */
import type { TestContext } from 'node:test'
import type { ImageSource } from '../../src/stages/fetch/image-source.js'
import { openImageSource, type ImageSourceOptions } from '../../src/stages/fetch/open.js'
import { TestRegistry, type TestRegistryOptions } from './registry.js'

export const never: AbortSignal = new AbortController().signal

export async function startRegistry(t: TestContext, options?: TestRegistryOptions): Promise<TestRegistry> {
  const registry = await TestRegistry.start(options)
  t.after(() => registry.close())
  return registry
}

/** Opens a source with an empty environment and home, over plain http; closed after the test. */
export async function openForTest(
  t: TestContext,
  reference: string,
  options: ImageSourceOptions = {},
): Promise<ImageSource> {
  const source = await openImageSource(reference, {
    env: {},
    home: '/nonexistent',
    etc: '/nonexistent',
    tlsVerify: false,
    ...options,
    retry: { baseDelayMs: 5, maxDelayMs: 20, ...options.retry },
  })
  t.after(() => source.close())
  return source
}

export async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const chunk of chunks) pieces.push(chunk)
  return Buffer.concat(pieces)
}

/** The bytes in chunks of `size`. */
export async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
