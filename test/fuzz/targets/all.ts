import type { Target } from '../target.js'
import { archiveTarget } from './archive.js'
import { gzipTarget, zstdSectionTarget, zstdTarget } from './compression.js'
import { storageTargets } from './containers-storage.js'
import { documentTargets } from './documents.js'
import { dumpfileTarget, erofsTarget } from './erofs.js'
import { gvariantTarget, gvariantTypeTarget } from './gvariant.js'
import { deltaTargets } from './ostree-delta.js'
import { ostreeTargets } from './ostree.js'
import { chunksTarget, splitstreamTarget } from './splitstream.js'
import { tarTarget } from './tar.js'
import { textTargets } from './text.js'

/** Every decoder of input that Sluice did not make itself. */
export const targets: readonly Target[] = [
  tarTarget,
  splitstreamTarget,
  chunksTarget,
  erofsTarget,
  dumpfileTarget,
  gzipTarget,
  zstdTarget,
  zstdSectionTarget,
  ...documentTargets,
  ...textTargets,
  archiveTarget,
  gvariantTarget,
  gvariantTypeTarget,
  ...ostreeTargets,
  ...deltaTargets,
  ...storageTargets,
]
