import { Command } from 'commander'
import { ExitStatus } from '../../errors.js'
import type { FsckResult, OciFsckResult } from '../../index.js'
import { withRepository } from '../globals.js'
import { print, printJson } from '../output.js'

interface FsckFlags {
  readonly json?: boolean
  readonly metadataOnly?: boolean
}

/** Damage is an exit status of its own with `--json`; cfsctl exits 0 there, and so does `--parity`. */
function reportDamage(ok: boolean, message: string, json: boolean, parity: boolean): void {
  if (ok) return
  if (!json) process.stderr.write(`Error: ${message}\n`)
  if (json && parity) return
  process.exitCode = parity ? ExitStatus.someFailed : ExitStatus.verification
}

function repositoryLines(result: FsckResult, metadata: string): string[] {
  const line = (what: string, checked: number, corrupted: number) => `${what}: ${checked - corrupted}/${checked} ok`
  const { errors } = result
  return [
    `meta.json: ${metadata}`,
    line('objects', result.objects_checked, result.objects_corrupted),
    line('streams', result.streams_checked, result.streams_corrupted),
    line('images', result.images_checked, result.images_corrupted),
    ...(result.broken_links > 0 ? [`broken symlinks: ${result.broken_links}`] : []),
    ...(result.missing_objects > 0 ? [`missing objects: ${result.missing_objects}`] : []),
    errors.length === 0 ? 'status: ok' : `status: ${errors.length} error(s)`,
    ...errors.map((error) => `  - ${error}`),
  ]
}

function metadataState(result: FsckResult): string {
  if (result.errors.some((error) => error.startsWith('fsck: metadata-'))) return 'error'
  return result.has_metadata ? 'ok' : 'absent'
}

export function fsckCommand(): Command {
  return new Command('fsck')
    .option('--json', 'as JSON')
    .option('--metadata-only', 'without reading the objects')
    .action(async (flags: FsckFlags, command: Command) => {
      await withRepository(command, async (repository, globals) => {
        const { checkRepository } = await import('../../index/upkeep.js')
        const result = await checkRepository(repository, { metadataOnly: flags.metadataOnly ?? false })
        if (flags.json === true) printJson(result)
        else print(repositoryLines(result, metadataState(result)).join('\n'))
        reportDamage(result.ok, 'repository integrity check failed', flags.json ?? false, globals.parity ?? false)
      })
    })
}

function ociLines(result: OciFsckResult): string[] {
  const { images_checked: checked, images_corrupted: corrupted, errors } = result
  return [
    ...repositoryLines(result.repo, metadataState(result.repo)),
    `oci images: ${checked - corrupted}/${checked} ok`,
    ...(errors.length > 0 ? [`oci errors: ${errors.length}`, ...errors.map((error) => `  - ${error}`)] : []),
  ]
}

export function ociFsckCommand(): Command {
  return new Command('fsck')
    .argument('[image]', 'only this tag')
    .option('--json', 'as JSON')
    .action(async (image: string | undefined, flags: FsckFlags, command: Command) => {
      await withRepository(command, async (repository, globals) => {
        const { checkOciRepository } = await import('../../index/upkeep.js')
        const result = await checkOciRepository(repository, image === undefined ? {} : { image })
        if (flags.json === true) printJson(result)
        else print(ociLines(result).join('\n'))
        reportDamage(result.ok, 'OCI integrity check failed', flags.json ?? false, globals.parity ?? false)
      })
    })
}
