/** `oci-archive:`, a layout in a tar: its entries are found without unpacking it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openArchiveFiles } from '../../../src/stages/fetch/oci-archive.js'
import { OciLayoutSource } from '../../../src/stages/fetch/oci-layout.js'
import { never } from '../../helpers/registry-client.js'
import { readSeeds } from '../corpus.js'
import type { Target } from '../target.js'
import { tarTarget } from './tar.js'

let directory: string | undefined

function archivePath(): string {
  if (directory === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'sluice-fuzz-'))
    process.on('exit', () => rmSync(made, { recursive: true, force: true }))
    directory = made
  }
  return join(directory, 'archive.tar')
}

async function run(input: Buffer): Promise<void> {
  const path = archivePath()
  writeFileSync(path, input)
  const source = new OciLayoutSource(await openArchiveFiles(path, never), 'archive', { parity: false })
  try {
    await source.manifest({ signal: never })
  } finally {
    await source.close()
  }
}

export const archiveTarget: Target = {
  ...tarTarget,
  name: 'archive',
  weight: 0.5,
  seeds: readSeeds('archive'),
  run,
}
