import { Command } from 'commander'
import { SluiceError } from '../../../errors.js'
import { digestArgument, objectIdArgument } from '../../arguments.js'
import { withRepository } from '../../globals.js'
import { print, printBytes, printJson, printTable } from '../../output.js'
import { messageOf, printable } from '../../printable.js'

const warnOfUnreadable = (name: string, error: unknown): void => {
  process.stderr.write(`warning: ${printable(name)} is left out: ${messageOf(error)}\n`)
}

export function ociImagesCommand(): Command {
  return new Command('images')
    .option('--json', 'as JSON')
    .action(async (flags: { json?: boolean }, command: Command) => {
      await withRepository(command, async (repository) => {
        const { listOciImages } = await import('../../../index/images.js')
        const images = listOciImages(repository, warnOfUnreadable)
        if (flags.json === true) return printJson({ images })
        if (images.length === 0) return print('No images found')
        return printTable(
          ['NAME', 'DIGEST', 'ARCH', 'LAYERS', 'REFS'],
          images.map((image) => [
            image.name,
            image.manifest_digest.slice(image.manifest_digest.indexOf(':') + 1).slice(0, 12),
            image.is_container ? image.architecture : 'artifact',
            String(image.layer_count),
            String(image.referrer_count),
          ]),
        )
      })
    })
}

export function ociInspectCommand(): Command {
  return new Command('inspect')
    .argument('<image>', 'tag, or @digest of a manifest')
    .option('--manifest', 'the manifest, byte for byte')
    .option('--config', 'the config, byte for byte')
    .action(async (name: string, flags: { manifest?: boolean; config?: boolean }, command: Command) => {
      if (flags.manifest === true && flags.config === true) {
        throw new SluiceError('SLUICE_USAGE', 'only one of --manifest and --config can be given')
      }
      await withRepository(command, async (repository) => {
        const { inspectOciImage, openStoredImage, resolveImageName } = await import('../../../index/images.js')
        if (flags.manifest !== true && flags.config !== true) return printJson(inspectOciImage(repository, name))
        const image = openStoredImage(repository, resolveImageName(repository, name))
        const { bytes } = flags.manifest === true ? image.manifestDocument : image.configDocument
        return printBytes([bytes, Buffer.from('\n')])
      })
    })
}

export function ociLinkedErofsImagesCommand(): Command {
  return new Command('linked-erofs-images')
    .argument('<id>', 'of an EROFS image, hex')
    .action(async (text: string, _flags: unknown, command: Command) => {
      await withRepository(command, async (repository) => {
        const { linkedErofsImages } = await import('../../../index/images.js')
        const id = await objectIdArgument(repository.algorithm, text)
        printJson(linkedErofsImages(repository, id, warnOfUnreadable))
      })
    })
}

export function ociTagCommand(): Command {
  return new Command('tag')
    .argument('<digest>', 'digest of its manifest, as "oci images --json" has it')
    .argument('<name>', 'the tag')
    .action(async (text: string, name: string, _flags: unknown, command: Command) => {
      const digest = await digestArgument(text, 'give the digest of a manifest, as "sluice oci images --json" has it')
      await withRepository(command, async (repository) => {
        const { tagImage } = await import('../../../index/images.js')
        await tagImage(repository, digest, name)
        print(`Tagged ${digest} as ${name}`)
      })
    })
}

export function ociUntagCommand(): Command {
  return new Command('untag')
    .argument('<name>', 'the tag')
    .action(async (name: string, _flags: unknown, command: Command) => {
      await withRepository(command, async (repository) => {
        const { untagImage } = await import('../../../index/images.js')
        untagImage(repository, name)
        print(`Removed tag ${name}`)
      })
    })
}
