/** The digest of what a splitstream stands for. */
import { createHash } from 'node:crypto'
import { digestHashName, type Digest } from '../../formats/digest.js'
import type { Breather } from '../../flow/breather.js'
import type { OpenStream, Repository } from '../../repository/repository.js'
import { mergeStream } from './read.js'

/** @param like has the algorithm. */
export async function contentDigest(
  repository: Repository,
  stream: OpenStream,
  like: Digest,
  breather: Breather,
): Promise<string> {
  const algorithm = digestHashName(like)
  const hash = createHash(algorithm)
  for await (const piece of mergeStream(repository, stream)) {
    hash.update(piece)
    await breather.breathe()
  }
  return `${algorithm}:${hash.digest('hex')}`
}
