/** The bench program: `sluice bench` hands its words to it. */
import { Command, CommanderError } from 'commander'
import { reportError } from '../src/cli/report-error.js'
import { usageStatus } from '../src/cli/program.js'
import { corporaCommand } from './corpora/command.js'
import { gcCommand } from './gc/command.js'
import { microCommand } from './micro/command.js'
import { compareCommand, reportCommand } from './report/commands.js'
import { memoryCommand, runCommand } from './run/command.js'

const program = new Command('sluice bench').exitOverride().enablePositionalOptions()
const commands = [corporaCommand, runCommand, memoryCommand, microCommand, gcCommand, compareCommand, reportCommand]
for (const create of commands) program.addCommand(create().copyInheritedSettings(program))

try {
  await program.parseAsync()
} catch (error) {
  const status = error instanceof CommanderError ? usageStatus(error) : reportError(error, 0)
  // A signal handler may have set 130 or 143 already.
  if (process.exitCode === undefined) process.exitCode = status
}
