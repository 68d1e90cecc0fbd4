/** Xattrs of files as objects of their own, which files of equal ones share by hard links (ostree.md §2.3, bare-split-xattrs). */
import { copyFileSync, linkSync, writeFileSync } from 'node:fs'
import { errnoOf } from '../../errors.js'
import { hashMetadata, type OstreeId } from '../../formats/ostree/ostree-id.js'
import { writeXattrs, type OstreeXattrs } from '../../formats/ostree/xattrs.js'
import { OBJECT_MODE } from './file-layout.js'
import type { Staging } from './staging.js'

export async function stageXattrs(staging: Staging, file: OstreeId, xattrs: OstreeXattrs): Promise<void> {
  const bytes = writeXattrs(xattrs)
  const id = hashMetadata(bytes)
  if (staging.find(id, 'file-xattrs') === undefined) {
    await staging.add(id, 'file-xattrs', (path) => writeFileSync(path, bytes, { mode: OBJECT_MODE }))
  }
  const target = staging.find(id, 'file-xattrs')!
  await staging.add(file, 'file-xattrs-link', (path) => linkOrCopy(target, path))
}

function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to)
  } catch (error) {
    // 65,000 names are all that a file of ext4 can have.
    if (errnoOf(error) !== 'EMLINK') throw error
    copyFileSync(from, to)
  }
}
