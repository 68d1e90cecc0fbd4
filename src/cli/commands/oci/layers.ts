import { Command } from 'commander'
import { SluiceError } from '../../../errors.js'
import { digestArgument } from '../../arguments.js'
import { withRepository } from '../../globals.js'
import { print, printBytes, printJson, printLines, refuseTerminal } from '../../output.js'

export function ociLayerCommand(): Command {
  return new Command('layer')
    .argument('<diff_id>', 'digest of the uncompressed layer')
    .option('--json', 'its figures')
    .option('--dumpfile', 'its entries, a line each')
    .action(async (text: string, flags: { json?: boolean; dumpfile?: boolean }, command: Command) => {
      if (flags.json === true && flags.dumpfile === true) {
        throw new SluiceError('SLUICE_USAGE', 'only one of --json and --dumpfile can be given')
      }
      const diffId = await digestArgument(text)
      if (flags.json !== true && flags.dumpfile !== true) refuseTerminal('a tar archive')
      await withRepository(command, async (repository) => {
        const { describeLayer, layerEntries, layerTar } = await import('../../../index/content.js')
        if (flags.json === true) return printJson(await describeLayer(repository, diffId))
        if (flags.dumpfile === true) return printLines(layerEntries(repository, diffId))
        return printBytes(layerTar(repository, diffId))
      })
    })
}

export function ociImportLayerCommand(): Command {
  return new Command('import-layer')
    .argument('<diff_id>', 'digest of the tar, which is checked; what is stored already is not read again')
    .argument('[name]', 'a name for the layer, below streams/refs')
    .action(async (text: string, name: string | undefined, _flags: unknown, command: Command) => {
      const diffId = await digestArgument(text)
      await withRepository(command, async (repository) => {
        const { importTarLayer } = await import('../../../index/content.js')
        print(`${repository.algorithm}:${await importTarLayer(repository, diffId, process.stdin, name)}`)
      })
    })
}
