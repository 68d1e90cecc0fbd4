import { Command } from 'commander'
import type { GcResult } from '../../index.js'
import { showGc } from '../gc-progress.js'
import { withRepository } from '../globals.js'
import { print, printJson } from '../output.js'
import { progressStyle } from '../progress.js'

interface GcFlags {
  readonly root?: string[]
  readonly dryRun?: boolean
  readonly parts?: boolean
  readonly json?: boolean
}

/** Gathers the values of a repeatable option; there are none before the first. */
function collect(value: string, values: string[] | undefined): string[] {
  return [...(values ?? []), value]
}

export function gcCommand(): Command {
  return new Command('gc')
    .option('-r, --root <name>', 'keep this stream or image, too; may be repeated', collect)
    .option('-n, --dry-run', 'only tell what would be removed')
    .option('--parts', 'also remove what interrupted pulls received in the last week')
    .option('--json', 'as JSON')
    .action(async ({ root = [], dryRun = false, parts = false, json = false }: GcFlags, command: Command) => {
      await withRepository(command, async (repository, { quiet = false }) => {
        const { gc } = await import('../../index/gc.js')
        const bar = !dryRun && progressStyle({ quiet, json: false }) === 'bars'
        const result = await showGc(gc(repository, { dryRun, extraRoots: root, parts }), bar)
        if (json) printJson(toJson(result, dryRun))
        else print([...(dryRun ? ['Dry run (no files deleted):'] : []), ...lines(result)].join('\n'))
      })
    })
}

function lines(result: GcResult): string[] {
  const { imagesPruned, streamsPruned, partsRemoved, partsBytes, mountedImagesKept } = result
  return [
    `Objects: ${result.objectsRemoved} removed (${result.objectsBytes} bytes)`,
    ...(imagesPruned + streamsPruned > 0 ? [`Pruned symlinks: ${imagesPruned} images, ${streamsPruned} streams`] : []),
    ...(partsRemoved > 0 ? [`Parts of blobs: ${partsRemoved} removed (${partsBytes} bytes)`] : []),
    ...(mountedImagesKept > 0 ? [`Mounted images: ${mountedImagesKept} kept`] : []),
  ]
}

/** Names as those of the reference's counters (repository.md §5.3). */
function toJson(result: GcResult, dryRun: boolean): object {
  return {
    dry_run: dryRun,
    objects_removed: result.objectsRemoved,
    objects_bytes: result.objectsBytes,
    images_pruned: result.imagesPruned,
    streams_pruned: result.streamsPruned,
    parts_removed: result.partsRemoved,
    parts_bytes: result.partsBytes,
    mounted_images_kept: result.mountedImagesKept,
  }
}
