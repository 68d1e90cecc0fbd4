import { Command } from 'commander'
import { ociFsckCommand } from './maintenance.js'
import { ociMountCommand } from './mount.js'
import { ociImagesCommand, ociInspectCommand, ociTagCommand, ociUntagCommand } from './oci/images.js'
import { ociImportLayerCommand, ociLayerCommand } from './oci/layers.js'
import { ociComputeIdCommand, ociDumpCommand } from './oci/tree.js'
import { ociPullCommand } from './pull.js'

export function ociCommand(): Command {
  const command = new Command('oci')
  for (const subcommand of [
    ociPullCommand(),
    ociImagesCommand(),
    ociInspectCommand(),
    ociTagCommand(),
    ociUntagCommand(),
    ociLayerCommand(),
    ociImportLayerCommand(),
    ociDumpCommand(),
    ociComputeIdCommand(),
    ociMountCommand(),
    ociFsckCommand(),
  ]) {
    command.addCommand(subcommand)
  }
  return command
}
