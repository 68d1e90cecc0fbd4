/** The command tree. Commands load what they need when they run, so that `--help` is quick. */
import type { CommanderError } from 'commander'
import { Command } from 'commander'
import { composefsInfoCommand } from './commands/composefs-info.js'
import { initCommand } from './commands/init.js'
import { fsckCommand, gcCommand, ociFsckCommand } from './commands/maintenance.js'
import { mkcomposefsCommand } from './commands/mkcomposefs.js'
import { mountCommand, ociMountCommand } from './commands/mount.js'
import { ociImagesCommand, ociInspectCommand, ociTagCommand, ociUntagCommand } from './commands/oci/images.js'
import { ociImportLayerCommand, ociLayerCommand } from './commands/oci/layers.js'
import { ociComputeIdCommand, ociDumpCommand } from './commands/oci/tree.js'
import { ociPullCommand, pullCommand } from './commands/pull.js'
import {
  catCommand,
  dumpFilesCommand,
  imageObjectsCommand,
  imagesCommand,
  importImageCommand,
  transactionCommand,
} from './commands/repository.js'
import { addGlobals } from './globals.js'

function ociCommand(): Command {
  const command = new Command('oci').description('images and layers')
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

/** The whole program. */
export function createProgram(version: string): Command {
  const program = new Command('sluice')
    .description('Pulls container and operating-system images into composefs repositories')
    .version(`sluice ${version}`, '-V, --version')
    .enablePositionalOptions()
    .showSuggestionAfterError()
  for (const command of [
    pullCommand(),
    initCommand(),
    ociCommand(),
    imagesCommand(),
    imageObjectsCommand(),
    importImageCommand(),
    dumpFilesCommand(),
    catCommand(),
    mountCommand(),
    gcCommand(),
    fsckCommand(),
    transactionCommand(),
    mkcomposefsCommand(),
    composefsInfoCommand(),
  ]) {
    program.addCommand(command)
  }
  addGlobals(program, true)
  forEachCommand(program, (command) => {
    if (command !== program && command.commands.length === 0) addGlobals(command, false)
    command.exitOverride()
    command.configureOutput({ outputError: (text, write) => write(text) })
  })
  return program
}

function forEachCommand(command: Command, visit: (command: Command) => void): void {
  visit(command)
  for (const subcommand of command.commands) forEachCommand(subcommand, visit)
}

/** The exit status of what commander throws: help and version are no error, everything else is a usage error. */
export function usageStatus(error: CommanderError): number {
  const told = ['commander.help', 'commander.helpDisplayed', 'commander.version']
  return told.includes(error.code) && error.exitCode === 0 ? 0 : 2
}
