/** Commands that are known by name and summary until a command line names them. */
import { Command } from 'commander'
import { addGlobals } from './globals.js'

export interface LazyCommand {
  readonly name: string
  readonly alias?: string
  readonly summary: string
  /** @param words of the command line, for the commands below. */
  readonly load: (words: readonly string[]) => Promise<Command>
  /** Its words are those of another program, which would not get what is taken for a global option. */
  readonly foreign?: true
}

/** Adds `entries` to `parent`; those that are not among `words` are there for the help and for suggestions only. */
export async function addCommands(
  parent: Command,
  entries: readonly LazyCommand[],
  words: readonly string[],
): Promise<void> {
  for (const { name, alias, summary, load, foreign } of entries) {
    const wanted = words.includes(name) || (alias !== undefined && words.includes(alias))
    const command = wanted ? await load(words) : new Command(name)
    if (alias !== undefined) command.alias(alias)
    if (wanted && foreign === undefined && command.commands.length === 0) addGlobals(command, false)
    parent.addCommand(command.description(summary))
  }
}
