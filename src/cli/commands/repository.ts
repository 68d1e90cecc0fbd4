/** Commands that look into a repository as it lies: streams, images, objects. */
import { Command, Option } from 'commander'
import { withRepository } from '../globals.js'
import { print, printBytes, printJson, printLines, printTable, refuseTerminal } from '../output.js'

export function catCommand(): Command {
  return new Command('cat')
    .argument('<name>', 'name of a stream, or refs/…')
    .action(async (name: string, _flags: unknown, command: Command) => {
      refuseTerminal('the content of a stream')
      await withRepository(command, async (repository) => {
        const { streamContent } = await import('../../index/content.js')
        await printBytes(streamContent(repository, name))
      })
    })
}

export function transactionCommand(): Command {
  return new Command('transaction').action(async (_flags: unknown, command: Command) => {
    // The lock is held as long as the process lives; a timer keeps it alive.
    await withRepository(command, () => new Promise(() => setInterval(() => undefined, 1 << 30)))
  })
}

export function imagesCommand(): Command {
  return new Command('images')
    .option('--json', 'as JSON')
    .option('--no-trunc', 'whole digests')
    .action(async (flags: { json?: boolean; trunc: boolean }, command: Command) => {
      await withRepository(command, async (repository) => {
        const images = repository.images.refs().map(({ name, entry }) => ({ name, digest: entry }))
        if (flags.json === true) return printJson({ images })
        if (images.length === 0) return print('No images found')
        const digest = (text: string) => (flags.trunc ? text.slice(0, 12) : text)
        return printTable(
          ['NAME', 'DIGEST'],
          images.map((image) => [image.name, digest(image.digest)]),
        )
      })
    })
}

export function imageObjectsCommand(): Command {
  return new Command('image-objects')
    .argument('<name>', 'name or id of an image')
    .action(async (name: string, _flags: unknown, command: Command) => {
      await withRepository(command, async (repository) => {
        const { imageObjects } = await import('../../index/content.js')
        for (const id of imageObjects(repository, name)) print(`${repository.algorithm}:${id}`)
      })
    })
}

export function importImageCommand(): Command {
  return new Command('import-image')
    .argument('<name>', 'name to give it')
    .action(async (name: string, _flags: unknown, command: Command) => {
      await withRepository(command, async (repository) => {
        const { importImage } = await import('../../index/content.js')
        print(`${repository.algorithm}:${await importImage(repository, process.stdin, name)}`)
      })
    })
}

export function dumpFilesCommand(): Command {
  return new Command('dump-files')
    .argument('<image>', 'name or id of an image')
    .argument('[file...]', 'paths in the image')
    .addOption(new Option('--backing-path-only', 'only where the content is'))
    .action(async (image: string, files: string[], flags: { backingPathOnly?: boolean }, command: Command) => {
      await withRepository(command, async (repository) => {
        const { dumpFiles } = await import('../../index/content.js')
        await printLines(dumpFiles(repository, image, files, flags.backingPathOnly ?? false))
      })
    })
}
