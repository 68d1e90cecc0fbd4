/** Whether a stream can be read and all it refers to is there; its content is not decompressed (repository.md §6). */
import { SluiceError } from '../../errors.js'
import type { ObjectId } from '../../formats/digest.js'
import type { Breather } from '../../flow/breather.js'
import type { OpenStream, Repository } from '../../repository/repository.js'
import type { WholeStream } from './check-content.js'
import type { ContentCheck } from './check-links.js'
import { expectObject, expectObjects } from './expect-object.js'
import { reasonOf, type Findings } from './findings.js'

/** @param onWhole called with each stream that nothing is wrong with so far. */
export function streamCheck(
  repository: Repository,
  breather: Breather,
  onWhole: (stream: WholeStream) => void,
): ContentCheck {
  return async (path, id, findings) => {
    const stream = readStream(repository, path, id, findings)
    if (stream === undefined) return
    const errors = findings.errors.length
    await expectObjects(repository, stream.objectRefs, findings, 'missing-object-ref', path, breather)
    for (const [name, object] of stream.namedRefs) {
      await breather.breathe()
      expectObject(repository, object, findings, 'missing-named-ref', path, `ref ${name}`)
    }
    if (findings.errors.length === errors) onWhole({ path, id: stream.id })
  }
}

function readStream(
  repository: Repository,
  path: string,
  id: ObjectId | 'no file' | undefined,
  findings: Findings,
): OpenStream | undefined {
  try {
    if (id === undefined || id === 'no file') throw new SluiceError('SLUICE_CORRUPT', 'not an object')
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
