/** Whether a stream can be read and all it refers to is there; its content is not decompressed (repository.md §6). */
import { SluiceError } from '../../errors.js'
import type { ObjectId } from '../../formats/digest.js'
import type { Splitstream } from '../../formats/splitstream/read.js'
import type { Breather } from '../../flow/breather.js'
import type { Repository } from '../../repository/repository.js'
import type { ContentCheck } from './check-links.js'
import { expectObject } from './expect-object.js'
import { reasonOf, type Findings } from './findings.js'

export function streamCheck(repository: Repository, breather: Breather): ContentCheck {
  return async (path, id, findings) => {
    const stream = readStream(repository, path, id, findings)
    if (stream === undefined) return
    for (const object of stream.objectRefs) {
      await breather.breathe()
      expectObject(repository, object, findings, 'missing-object-ref', path)
    }
    for (const [name, object] of stream.namedRefs) {
      await breather.breathe()
      expectObject(repository, object, findings, 'missing-named-ref', path, `ref ${name}`)
    }
  }
}

function readStream(
  repository: Repository,
  path: string,
  id: ObjectId | undefined,
  findings: Findings,
): Splitstream | undefined {
  try {
    if (id === undefined) throw new SluiceError('SLUICE_CORRUPT', 'not an object')
    const stream = repository.openStreamObject(id, `object ${id}`)
    stream.close()
    return stream
  } catch (error) {
    findings.corrupted++
    const unreadable = error instanceof SluiceError && error.code === 'SLUICE_IO'
    findings.error(unreadable ? 'stream-read-failed' : 'stream-open-failed', path, reasonOf(error))
    return undefined
  }
}
