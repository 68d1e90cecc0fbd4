import { Command } from 'commander'
import { ExitStatus, SluiceError } from '../../errors.js'
import type { FsckResult, OciFsckResult, RepairResult, Repository } from '../../index.js'
import { showCheck } from '../check-progress.js'
import { withRepository, type Globals } from '../globals.js'
import { print, printJson } from '../output.js'

interface FsckFlags {
  readonly json?: boolean
  readonly metadataOnly?: boolean
  readonly deep?: boolean
  readonly repair?: boolean
}

/** Damage is an exit status of its own with `--json`; cfsctl exits 0 there, and so does `--parity`. */
function reportDamage(ok: boolean, message: string, json: boolean, parity: boolean): void {
  if (ok) return
  if (!json) process.stderr.write(`Error: ${message}\n`)
  if (json && parity) return
  process.exitCode = parity ? ExitStatus.someFailed : ExitStatus.verification
}

function repositoryLines(result: FsckResult): string[] {
  const line = (what: string, checked: number, corrupted: number) => `${what}: ${checked - corrupted}/${checked} ok`
  const { errors } = result
  return [
    `meta.json: ${metadataState(result)}`,
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
    .option(
      '--deep',
      'also put every layer together and compare it with its digest, and every object of ostree commits',
    )
    .option('--repair', 'move damaged objects aside and forget what needs them, so that it can be pulled again')
    .action(async (flags: FsckFlags, command: Command) => {
      if (flags.metadataOnly === true && (flags.repair === true || flags.deep === true)) {
        throw new SluiceError('SLUICE_USAGE', '--repair and --deep read the objects, --metadata-only does not')
      }
      const run = flags.repair === true ? repair : check
      await withRepository(command, (repository, globals) => run(repository, flags, globals))
    })
}

async function check(repository: Repository, flags: FsckFlags, globals: Globals): Promise<void> {
  const { fsck } = await import('../../index/upkeep.js')
  const { json = false, metadataOnly = false, deep = false } = flags
  const result = await showCheck(fsck(repository, { metadataOnly, deep }), globals.quiet ?? false)
  if (json) printJson(result)
  else print(repositoryLines(result).join('\n'))
  reportDamage(result.ok, 'repository integrity check failed', json, globals.parity ?? false)
}

/** Damage that was repaired is no failure any more. */
async function repair(repository: Repository, flags: FsckFlags, globals: Globals): Promise<void> {
  const { repairingFsck } = await import('../../index/upkeep.js')
  const { json = false, deep = false } = flags
  const result = await showCheck(repairingFsck(repository, { deep }), globals.quiet ?? false)
  const { check, moved, linksRemoved, pullAgain, pullCommitsAgain, remaining } = result
  if (json) {
    const images = pullAgain.map(({ tag, manifestDigest }) => ({ tag, manifest_digest: manifestDigest }))
    const repair = {
      moved,
      links_removed: linksRemoved,
      pull_again: images,
      pull_commits_again: pullCommitsAgain,
      remaining,
    }
    printJson({ ...check, repair })
  } else print([...repositoryLines(check), ...repairLines(result)].join('\n'))
  reportDamage(remaining.length === 0, 'some damage could not be repaired', json, globals.parity ?? false)
}

function repairLines({ moved, linksRemoved, pullAgain, pullCommitsAgain, remaining }: RepairResult): string[] {
  if (moved.length + linksRemoved.length + remaining.length === 0) return ['repair: nothing to do']
  return [
    `repair: ${moved.length} moved to .sluice/damaged, ${linksRemoved.length} link(s) removed`,
    ...moved.map(({ path, to }) => `  - moved ${path} to ${to}`),
    ...linksRemoved.map((path) => `  - removed ${path}`),
    ...(remaining.length > 0 ? [`not repaired: ${remaining.length} error(s)`] : []),
    ...remaining.map((error) => `  - ${error}`),
    ...(pullAgain.length + pullCommitsAgain.length > 0 ? ['pull again:'] : []),
    ...pullAgain.map(({ tag, manifestDigest }) => `  - ${tag} (${manifestDigest})`),
    ...pullCommitsAgain.map((ref) => `  - ${ref} (ostree)`),
  ]
}

function ociLines(result: OciFsckResult): string[] {
  const { images_checked: checked, images_corrupted: corrupted, errors } = result
  return [
    ...repositoryLines(result.repo),
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
        const { ociFsck } = await import('../../index/upkeep.js')
        const events = ociFsck(repository, image === undefined ? {} : { image })
        const result = await showCheck(events, globals.quiet ?? false)
        if (flags.json === true) printJson(result)
        else print(ociLines(result).join('\n'))
        reportDamage(result.ok, 'OCI integrity check failed', flags.json ?? false, globals.parity ?? false)
      })
    })
}
