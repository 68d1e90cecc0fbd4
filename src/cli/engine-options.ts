import { Option, type Command } from 'commander'
import { defaults } from '../options.js'
import { bufferSize, count } from './arguments.js'
import { formatSize } from './output.js'
import { tuneV8 } from './tune-v8.js'

/** What every kind of pull lets be said of its engine. */
export interface EngineFlags {
  readonly maxMemory?: number
  readonly threads?: number
}

export function withEngineOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--max-memory <size>', 'memory for what is between source and disk, such as 64M')
        .default(defaults.maxMemory, formatSize(defaults.maxMemory))
        .argParser(bufferSize),
    )
    .addOption(
      new Option(
        '--threads <n>',
        'threads beside the main one that hash and write; default: one for each core, none for a small image',
      ).argParser(count),
    )
    .hook('preAction', tuneV8)
}
