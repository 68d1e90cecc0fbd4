/** Options of pulls from a local containers-storage. */
import { Option, type Command } from 'commander'
import type { ImageSourceOptions, PullOptions } from '../index.js'

export interface StorageFlags {
  readonly localFetch?: 'disabled' | 'auto' | 'zerocopy'
  readonly storageRoot?: string
  readonly additionalStore?: readonly string[]
  readonly requireReflink?: boolean
  readonly hardlink?: 'sealed' | 'insecure'
  readonly trustStorage?: boolean
  readonly holdStoreLock?: boolean
}

const collect = (value: string, all: readonly string[] = []): string[] => [...all, value]

/** @param localFetch default of `--local-fetch`, which says nothing here: there is only one way to such images. */
export function withStorageOptions(command: Command, localFetch: 'disabled' | 'auto'): Command {
  const parseOptions = command.parseOptions.bind(command)
  command.parseOptions = (words) => parseOptions(withHardlinkKind(words))
  return command
    .addOption(
      new Option(
        '--local-fetch <how>',
        'for containers-storage; zerocopy fails rather than copy a file, the others do the same',
      )
        .choices(['disabled', 'auto', 'zerocopy'])
        .default(localFetch),
    )
    .option('--storage-root <dir>', 'the containers-storage to look in; default: as podman finds it')
    .option('--additional-store <dir>', 'another one to look in; may be repeated', collect)
    .option('--require-reflink', 'fail where a file of the storage would have to be copied')
    .addOption(
      new Option(
        '--hardlink [kind]',
        "make objects other names of the storage's files, sealed by fs-verity; or insecure",
      ).choices(['sealed', 'insecure']),
    )
    .option('--trust-storage', 'check CRCs of files instead of the diff_ids of layers')
    .option('--hold-store-lock', 'keep others from changing the storage during the pull')
}

/** The kind can be left out, and must stand behind a `=`: else commander takes the next word for it, which is the reference. */
function withHardlinkKind(words: readonly string[]): string[] {
  const end = words.indexOf('--')
  return words.map((word, at) => (word === '--hardlink' && (end < 0 || at < end) ? '--hardlink=sealed' : word))
}

/** Where to look, for `openImageSource`. */
export function storagePlacesOf(flags: StorageFlags): NonNullable<ImageSourceOptions['storage']> {
  return {
    ...(flags.storageRoot !== undefined && { storageRoot: flags.storageRoot }),
    ...(flags.additionalStore !== undefined && { additionalStores: flags.additionalStore }),
    ...(flags.holdStoreLock !== undefined && { holdLock: flags.holdStoreLock }),
    onWait: (path) => process.stderr.write(`waiting for the storage: another process has locked ${path}\n`),
  }
}

/** What to do with what is found, for `pullOci`. */
export function storageImportOf(flags: StorageFlags): NonNullable<PullOptions['storage']> {
  return {
    requireReflink: flags.requireReflink === true || flags.localFetch === 'zerocopy',
    hardlinks: flags.hardlink ?? 'never',
    trust: flags.trustStorage ?? false,
  }
}
