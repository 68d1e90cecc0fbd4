/** The static deltas of a repository at a URL (ostree.md §3.5). */
import { hash } from 'node:crypto'
import { SluiceError } from '../../errors.js'
import { listedDeltas, readDeltaIndex, type ListedDelta } from '../../formats/ostree/delta-listing.js'
import { deltaDirectory, deltaIndexPath, superblockPath } from '../../formats/ostree/delta-path.js'
import { readSuperblock, type Superblock } from '../../formats/ostree/delta/superblock.js'
import { MAX_METADATA } from '../../formats/ostree/limits.js'
import type { OstreeId } from '../../formats/ostree/ostree-id.js'
import type { Summary } from '../../formats/ostree/summary.js'
import type { RemoteClient } from '../ostree/remote-client.js'
import type { Delta } from './apply-delta.js'
import type { DeltaSource } from './delta-source.js'
import { MAX_PART } from './open-part.js'

export class RemoteDeltas implements DeltaSource {
  readonly #client: RemoteClient
  readonly #contents: RemoteClient
  readonly #summary: (signal: AbortSignal) => Promise<Summary | undefined>

  /** @param contents gives the parts, `client` all the rest (§3.8). */
  constructor(
    client: RemoteClient,
    contents: RemoteClient,
    summary: (signal: AbortSignal) => Promise<Summary | undefined>,
  ) {
    this.#client = client
    this.#contents = contents
    this.#summary = summary
  }

  /** Those of the summary; if it has none, those of the index of the commit. A list that cannot be got or read is none. */
  async list(to: OstreeId, signal: AbortSignal): Promise<readonly ListedDelta[]> {
    const summary = await this.#summary(signal)
    const listed = await listOrNone(to, async () => (summary === undefined ? [] : listedDeltas(summary.metadata)))
    if (listed.length > 0) return listed
    const path = deltaIndexPath(to).split('/')
    return listOrNone(to, async () => readDeltaIndex(await this.#client.document(path, MAX_METADATA, signal)))
  }

  async open(listed: ListedDelta, signal: AbortSignal): Promise<Delta | undefined> {
    const file = await this.#client.optionalDocument(superblockPath(listed).split('/'), MAX_METADATA, signal)
    if (file === undefined) return undefined
    checkSuperblockFile(file, listed)
    const superblock = readSuperblock({ size: file.length, read: (at, length) => file.subarray(at, at + length) })
    checkEnds(superblock, listed)
    const directory = deltaDirectory(listed).split('/')
    return {
      superblock,
      readPart: async (index, signal) => {
        const { inline } = superblock.parts[index]
        if (inline !== undefined) return file.subarray(inline.offset, inline.offset + inline.length)
        return this.#contents.document([...directory, String(index)], MAX_PART, signal)
      },
    }
  }
}

async function listOrNone(to: OstreeId, list: () => Promise<ListedDelta[]>): Promise<ListedDelta[]> {
  try {
    return (await list()).filter((delta) => delta.to === to)
  } catch (error) {
    if (error instanceof SluiceError && error.code !== 'SLUICE_CANCELLED') return []
    throw error
  }
}

function checkSuperblockFile(file: Buffer, { superblock: expected = 'what is listed' }: ListedDelta): void {
  const actual = hash('sha256', file, 'hex')
  if (actual === expected) return
  throw new SluiceError('SLUICE_DIGEST_MISMATCH', `its superblock has the checksum ${actual}, not ${expected}`, {
    details: { expected, actual },
  })
}

function checkEnds(superblock: Superblock, { from, to }: ListedDelta): void {
  if (superblock.from === from && superblock.to === to) return
  const ends = `${superblock.from ?? 'nothing'} to ${superblock.to}`
  throw new SluiceError('SLUICE_DIGEST_MISMATCH', `its superblock is that of another delta, from ${ends}`)
}
