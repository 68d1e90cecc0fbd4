/** `bench corpora`. */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { Argument, Command, Option } from 'commander'
import { print } from '../../src/cli/output.js'
import { buildCorpora, corpusNames } from './corpora.js'

/** Where corpora are, for commands that build or use them. */
export function corporaOption(): Option {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  return new Option('--dir <directory>', 'where the corpora are').default(join(cache, 'sluice-bench'))
}

export function corporaCommand(): Command {
  return new Command('corpora')
    .description(
      'build the images that are pulled, those that are not there yet; "os" and "node" are made of packages of Debian and npm, which needs root, network and some 15 minutes',
    )
    .addOption(corporaOption())
    .addArgument(new Argument('[names...]', 'default: all').choices(corpusNames))
    .action(async (names: string[], { dir }: { dir: string }) => {
      const chosen = names.length > 0 ? names : corpusNames
      const corpora = await buildCorpora(dir, chosen, (text) => void process.stderr.write(`${text}\n`))
      for (const { name, layout, layers } of corpora) {
        print(`${name}  ${layout}`)
        for (const { digest, size, unpackedSize, entries } of layers) {
          print(`  ${digest}  ${mib(size)} of ${mib(unpackedSize)}, ${entries} entries`)
        }
      }
    })
}

const mib = (bytes: number) => `${Math.round(bytes / 1024 ** 2)} MiB`
