/** The command tree. Only the commands that a command line names are loaded, and they load what they need when they run. */
import { Command, type CommanderError } from 'commander'
import { ociCommand, ociCommands } from './commands/oci.js'
import { ostreeCommand, ostreeCommands, ostreeRemoteCommands } from './commands/ostree.js'
import { addGlobals } from './globals.js'
import { addCommands, type LazyCommand } from './lazy-commands.js'
import { readOptionWords } from './option-words.js'

/** The top level, in the order of the help. */
const entries: readonly LazyCommand[] = [
  {
    name: 'pull',
    summary: 'pull an image from anywhere; the repository is made if there is none',
    load: async () => (await import('./commands/pull.js')).pullCommand(),
  },
  {
    name: 'init',
    summary: 'make a repository',
    load: async () => (await import('./commands/init.js')).initCommand(),
  },
  {
    name: 'oci',
    summary: 'images and layers',
    load: ociCommand,
  },
  {
    name: 'ostree',
    summary: 'ostree commits',
    load: ostreeCommand,
  },
  {
    name: 'images',
    alias: 'list-images',
    summary: 'list the named images, such as those of import-image; for tags: oci images',
    load: async () => (await import('./commands/repository.js')).imagesCommand(),
  },
  {
    name: 'image-objects',
    summary: 'list the objects an image refers to',
    load: async () => (await import('./commands/repository.js')).imageObjectsCommand(),
  },
  {
    name: 'import-image',
    summary: 'store an EROFS image from standard input; it is not checked',
    load: async () => (await import('./commands/repository.js')).importImageCommand(),
  },
  {
    name: 'dump-files',
    summary: 'tell about files of an image',
    load: async () => (await import('./commands/repository.js')).dumpFilesCommand(),
  },
  {
    name: 'cat',
    summary: 'write the content of a stream',
    load: async () => (await import('./commands/repository.js')).catCommand(),
  },
  {
    name: 'mount',
    summary: 'mount an image',
    load: async () => (await import('./commands/mount.js')).mountCommand(),
  },
  {
    name: 'gc',
    summary: 'remove what no tag, reference or root needs',
    load: async () => (await import('./commands/gc.js')).gcCommand(),
  },
  {
    name: 'stats',
    summary: 'tell what images take, what they share, and what removing a tag would free',
    load: async () => (await import('./commands/stats.js')).statsCommand(),
  },
  {
    name: 'fsck',
    summary: 'check the repository',
    load: async () => (await import('./commands/maintenance.js')).fsckCommand(),
  },
  {
    name: 'doctor',
    summary: 'tell what this host has, and what Sluice makes of it',
    load: async () => (await import('./commands/doctor.js')).doctorCommand(),
  },
  {
    name: 'bench',
    summary: 'measure pulls side by side with other tools',
    load: async () => (await import('./commands/bench.js')).benchCommand(),
    foreign: true,
  },
  {
    name: 'transaction',
    summary: 'hold the repository, so that nothing is collected, until killed',
    load: async () => (await import('./commands/repository.js')).transactionCommand(),
  },
  {
    name: 'mkcomposefs',
    summary: 'make an EROFS image from a dumpfile, as the C tool of that name does',
    load: async () => (await import('./commands/mkcomposefs.js')).mkcomposefsCommand(),
  },
  {
    name: 'composefs-info',
    summary: 'dump EROFS images, or list their objects',
    load: async () => (await import('./commands/composefs-info.js')).composefsInfoCommand(),
  },
]

/** The names of all commands, of all levels. */
export const commandNames: readonly string[] = [
  ...entries,
  ...ociCommands,
  ...ostreeCommands,
  ...ostreeRemoteCommands,
].map(({ name }) => name)

/** @param words of the command line; commands that are not among them are known by name and summary only. */
export async function createProgram(version: string, words: readonly string[]): Promise<Command> {
  const program = new Command('sluice')
    .description('Pulls container and operating-system images into composefs repositories')
    .version(`sluice ${version}`, '-V, --version')
    .enablePositionalOptions()
    .showSuggestionAfterError()
  await addCommands(program, entries, words)
  addGlobals(program, true)
  forEachCommand(program, (command) => {
    command.exitOverride().on('beforeHelp', () => refuseUnknown(command))
    readOptionWords(command)
  })
  return program
}

/** To `help NAME` and `NAME --help` commander gives the help of all commands where there is none of that name. */
function refuseUnknown(command: Command): void {
  const [first, second] = command.args
  const name = first === 'help' ? second : first
  if (command.commands.length === 0 || name === undefined || name.startsWith('-')) return
  const isKnown = command.commands.some((known) => known.name() === name || known.aliases().includes(name))
  if (!isKnown && name !== 'help') command.error(`error: unknown command '${name}'`)
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
