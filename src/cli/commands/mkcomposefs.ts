/** `mkcomposefs`: dumpfile in, EROFS image out, as the C tool does it (erofs.md §1.2, §9.3). */
import { open, readFile, rename, rm, stat } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { Command, Option } from 'commander'
import { SluiceError, errnoOf, ioError } from '../../errors.js'
import type { HashAlgorithm } from '../../formats/index.js'
import type { Dumpfile } from '../../formats/index.js'
import { messageOf } from '../printable.js'

/** Where a command reads and writes; `process` in the real program. */
export interface StandardStreams {
  readonly stdin: NodeJS.ReadableStream
  readonly stdout: NodeJS.WritableStream
  readonly stderr: NodeJS.WritableStream
}

export interface MkcomposefsOptions {
  readonly fromFile?: boolean
  readonly printDigest?: boolean
  readonly printDigestOnly?: boolean
  readonly minVersion?: string
  readonly maxVersion?: string
  /** Makes a repository image of this version; excludes the two above. */
  readonly format?: 'v0' | 'v1' | 'v2'
  readonly hash: HashAlgorithm
}

/** The command. Whatever goes wrong is printed, and the exit status is 1 as in the C tool. */
export function mkcomposefsCommand(streams: StandardStreams = process): Command {
  return new Command('mkcomposefs')
    .argument('<source>', 'the dumpfile, - for standard input')
    .argument('[image]', 'the image to write, - for standard output')
    .option('--from-file', 'SOURCE is a dumpfile (the only kind that is supported)')
    .option('--print-digest', 'print the fs-verity digest of the image after writing')
    .option('--print-digest-only', 'print the fs-verity digest, write no image')
    .option('--min-version <n>', 'lowest image version, 0 or 1')
    .option('--max-version <n>', 'highest image version, 0 or 1: taken when the tree has whiteouts')
    .addOption(new Option('--format <format>', 'image version of a repository').choices(['v0', 'v1', 'v2']))
    .addOption(
      new Option('--hash <algorithm>', 'of the digests in the dumpfile and of the printed one')
        .choices(['sha256', 'sha512'])
        .default('sha256'),
    )
    .action(async (source: string, image: string | undefined, options: MkcomposefsOptions) => {
      try {
        await mkcomposefs(source, image, options, streams)
      } catch (error) {
        streams.stderr.write(`mkcomposefs: ${messageOf(error)}\n`)
        process.exitCode = 1
      }
    })
}

/** Makes the image. OUT is replaced at the end, so a refused dumpfile leaves none. */
async function mkcomposefs(
  source: string,
  image: string | undefined,
  options: MkcomposefsOptions,
  streams: StandardStreams,
): Promise<void> {
  checkUsage(image, options)
  const { readDumpfile, writeErofs } = await import('../../formats/index.js')
  const text = await (source === '-' ? buffer(streams.stdin) : readFile(source)).catch(failAt(source))
  const dumpfile = readDumpfile(text, { algorithm: options.hash })
  const version = await selectVersion(dumpfile, options)
  const bytes = writeErofs(dumpfile.root, { version, hints: dumpfile.hints })
  if (image === '-') await write(streams.stdout, bytes)
  else if (image !== undefined) await replaceFile(image, bytes).catch(failAt(image))
  if (options.printDigest === true || options.printDigestOnly === true) {
    const { verityDigest } = await import('../../formats/index.js')
    await write(streams.stdout, `${verityDigest(options.hash, bytes)}\n`)
  }
}

function checkUsage(image: string | undefined, options: MkcomposefsOptions): void {
  const problem =
    options.fromFile !== true
      ? 'only dumpfiles are supported: give --from-file'
      : options.printDigestOnly === true && image !== undefined
        ? 'IMAGE must be omitted with --print-digest-only'
        : options.printDigestOnly !== true && image === undefined
          ? 'IMAGE is missing'
          : options.format !== undefined && (options.minVersion !== undefined || options.maxVersion !== undefined)
            ? '--format excludes --min-version and --max-version'
            : undefined
  if (problem !== undefined) throw new SluiceError('SLUICE_USAGE', problem)
}

async function selectVersion({ root }: Dumpfile, options: MkcomposefsOptions): Promise<0 | 1 | 2> {
  if (options.format !== undefined) return ({ v0: 0, v1: 1, v2: 2 } as const)[options.format]
  const { chooseVersion } = await import('../../formats/index.js')
  return chooseVersion(root, parseVersion(options.minVersion), parseVersion(options.maxVersion))
}

function parseVersion(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^[0-9]{1,9}$/.test(text)) throw new SluiceError('SLUICE_USAGE', `not a version number: ${JSON.stringify(text)}`)
  return Number(text)
}

function failAt(path: string): (error: unknown) => never {
  return (error) => {
    throw ioError(error, path)
  }
}

function write(stream: NodeJS.WritableStream, data: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(data, (error) => (error ? reject(error) : resolve()))
  })
}

/** Writes beside `path` and renames, unless something else than a file is there, such as /dev/stdout. */
async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const existing = await stat(path).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  })
  const direct = existing !== undefined && !existing.isFile()
  const target = direct ? path : `${path}.${process.pid}.tmp`
  const file = await open(target, direct ? 'w' : 'wx')
  try {
    await file.writeFile(bytes)
    await file.close()
    if (!direct) await rename(target, path)
  } catch (error) {
    await file.close().catch(() => {})
    if (!direct) await rm(target, { force: true })
    throw error
  }
}
