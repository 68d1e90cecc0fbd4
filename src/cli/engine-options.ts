import { Option, type Command } from 'commander'
import { defaults } from '../options.js'
import { byteSize, positive } from './arguments.js'
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
        .argParser(byteSize),
    )
    .addOption(
      new Option(
        '--threads <n>',
        "threads that hash and write; default: this host's cores, none for a small image",
      ).argParser(positive),
    )
    .hook('preAction', tuneV8)
}
