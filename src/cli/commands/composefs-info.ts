/** `composefs-info`: what is in composefs images (erofs.md §9.4, §10.4). */
import { open } from 'node:fs/promises'
import { Command, Option } from 'commander'
import { ioError, withContext } from '../../errors.js'
import type { HashAlgorithm } from '../../formats/index.js'
import type { Directory } from '../../formats/index.js'

export interface ComposefsInfoOptions {
  /** The only algorithm whose digests are accepted in the images. */
  readonly hash: HashAlgorithm
}

/** The command, with `dump` and `objects`. Several images are printed one after another. */
export function composefsInfoCommand(stdout: NodeJS.WritableStream = process.stdout): Command {
  const subcommand = (name: string, description: string, lines: typeof dumpLines) =>
    new Command(name)
      .description(description)
      .argument('[images...]', 'composefs image files')
      .addOption(
        new Option('--hash <algorithm>', 'of the digests in the images')
          .choices(['sha256', 'sha512'])
          .default('sha256'),
      )
      .action(async (images: string[], { hash }: ComposefsInfoOptions) => {
        for (const image of images) await print(stdout, await lines(await loadImage(image, hash)))
      })
  return new Command('composefs-info')
    .addCommand(subcommand('dump', 'print the files as a dumpfile', dumpLines))
    .addCommand(subcommand('objects', 'list the objects that hold the content of files', objectLines))
}

async function loadImage(path: string, hash: HashAlgorithm): Promise<Directory> {
  const { openErofs, loadErofsTree } = await import('../../formats/index.js')
  const bytes = await readImage(path)
  try {
    return loadErofsTree(openErofs(bytes), hash)
  } catch (error) {
    throw withContext(error, path)
  }
}

/** Refuses by size what would be refused anyway, before it takes memory. */
async function readImage(path: string): Promise<Buffer> {
  const { MAX_IMAGE_SIZE } = await import('../../formats/index.js')
  try {
    await using file = await open(path)
    const { size } = await file.stat()
    if (size > MAX_IMAGE_SIZE) throw new RangeError(`${size} bytes are too many for an image`)
    return await file.readFile()
  } catch (error) {
    throw ioError(error, path)
  }
}

/** The dumpfile of a tree, in the form of the Rust tools. */
async function dumpLines(root: Directory): Promise<Iterable<string>> {
  const { writeDumpfile } = await import('../../formats/index.js')
  return writeDumpfile(root)
}

/** Paths of the objects of files with a digest, sorted. */
async function objectLines(root: Directory): Promise<Iterable<string>> {
  const { objectPath, countReferences } = await import('../../formats/index.js')
  const paths = new Set<string>()
  for (const { content } of countReferences(root).keys()) {
    if (content.type === 'external') paths.add(objectPath(content.id))
  }
  return [...paths].sort()
}

const BATCH = 1 << 16

/** Prints byte strings as lines, waiting for a slow reader. */
async function print(stdout: NodeJS.WritableStream, lines: Iterable<string>): Promise<void> {
  let batch = ''
  const flush = () =>
    new Promise<void>((resolve, reject) => {
      stdout.write(Buffer.from(batch, 'latin1'), (error) =>
        error ? reject(ioError(error, 'standard output')) : resolve(),
      )
      batch = ''
    })
  for (const line of lines) {
    batch += `${line}\n`
    if (batch.length >= BATCH) await flush()
  }
  await flush()
}
