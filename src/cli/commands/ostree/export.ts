import { Command, Option } from 'commander'
import type { OstreeRepositoryMode } from '../../../index.js'
import { cancelOnSignals } from '../../cancel-on-signals.js'
import { showExport } from '../../export-progress.js'
import { withRepository } from '../../globals.js'
import { print } from '../../output.js'
import { progressStyle } from '../../progress.js'

interface ExportFlags {
  readonly reference?: string
  readonly mode?: OstreeRepositoryMode
}

const modes: readonly OstreeRepositoryMode[] = ['archive', 'bare', 'bare-user', 'bare-user-only', 'bare-split-xattrs']

export function ostreeExportCommand(): Command {
  return new Command('export')
    .argument('<source>', 'ref, id of a commit, or the beginning of one')
    .argument('<directory>', 'an ostree repository in any of its modes')
    .option('--reference <ref>', 'a name for the commit there')
    .addOption(new Option('--mode <mode>', 'make the repository, if nothing is there').choices(modes))
    .action(async (source: string, path: string, flags: ExportFlags, self: Command) => {
      await withRepository(self, async (repository, { quiet = false }) => {
        const { exportOstree } = await import('../../../index/ostree-export.js')
        const { signal } = cancelOnSignals()
        const events = exportOstree(repository, { ...flags, source, path, signal })
        const { commit, tag } = await showExport(events, progressStyle({ quiet, json: false }) === 'bars')
        print(`commit  ${commit}`)
        if (tag !== undefined) print(`tagged  ${tag}`)
      })
    })
}
