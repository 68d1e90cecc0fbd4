import { Command, Option } from 'commander'
import { SluiceError } from '../../../errors.js'
import type { HashAlgorithm, ImageTreeOptions, XattrMode } from '../../../index.js'
import { objectIdArgument } from '../../arguments.js'
import { withRepository, type Globals } from '../../globals.js'
import { print, printLines } from '../../output.js'

interface TreeFlags {
  readonly bootable?: boolean
  readonly xattrs: XattrMode
}

function treeCommand(name: string): Command {
  return new Command(name)
    .argument('<image>', 'tag, or @digest of a config')
    .argument('[verity]', "object of the config's stream")
    .option('--bootable', 'with the boot transformation; not supported yet')
    .addOption(
      new Option('--xattrs <mode>', 'which extended attributes stay')
        .choices(['allowlist-only', 'keep-user-xattrs'])
        .default('allowlist-only'),
    )
}

async function treeOptions(
  flags: TreeFlags,
  globals: Globals,
  verity: string | undefined,
  algorithm: HashAlgorithm,
): Promise<ImageTreeOptions> {
  if (flags.bootable === true) throw new SluiceError('SLUICE_UNSUPPORTED', 'boot images are not supported yet')
  return {
    xattrs: flags.xattrs,
    parity: globals.parity ?? false,
    ...(verity !== undefined && { verity: await objectIdArgument(algorithm, verity) }),
  }
}

export function ociDumpCommand(): Command {
  return treeCommand('dump').action(
    async (image: string, verity: string | undefined, flags: TreeFlags, command: Command) => {
      await withRepository(command, async (repository, globals) => {
        const { dumpImage } = await import('../../../index/content.js')
        const options = await treeOptions(flags, globals, verity, repository.algorithm)
        await printLines(dumpImage(repository, image, options))
      })
    },
  )
}

export function ociComputeIdCommand(): Command {
  return treeCommand('compute-id').action(
    async (image: string, verity: string | undefined, flags: TreeFlags, command: Command) => {
      await withRepository(command, async (repository, globals) => {
        const { imageId } = await import('../../../index/content.js')
        print(await imageId(repository, image, await treeOptions(flags, globals, verity, repository.algorithm)))
      })
    },
  )
}
