import { Command } from 'commander'
import { SluiceError } from '../../../errors.js'
import { withRepository } from '../../globals.js'
import { print } from '../../output.js'

interface AddFlags {
  readonly set?: readonly (readonly [key: string, value: string])[]
  /** False with `--no-gpg-verify`. */
  readonly gpgVerify: boolean
  /** False with `--no-sign-verify`. */
  readonly signVerify?: readonly string[] | false
  readonly gpgImport?: string
  readonly contenturl?: string
  readonly collectionId?: string
  readonly ifNotExists?: boolean
  readonly force?: boolean
}

function setting(text: string, before: readonly (readonly [string, string])[] = []): (readonly [string, string])[] {
  const equals = text.indexOf('=')
  if (equals <= 0) throw new SluiceError('SLUICE_USAGE', `not a setting: ${text}`, { hint: 'write KEY=VALUE' })
  return [...before, [text.slice(0, equals), text.slice(equals + 1)]]
}

export function ostreeRemoteAddCommand(): Command {
  return new Command('add')
    .argument('<name>', 'what to call it')
    .argument('<url>', 'where it is; or mirrorlist=URL; metalink=URL is kept, but pulls refuse it')
    .argument('[branch...]', 'refs that it is for')
    .option('--set <key=value>', 'a setting of the remote, as ostree names it; may be repeated', setting)
    .option('--no-gpg-verify', 'take commits without OpenPGP signature')
    .option('--gpg-import <file>', 'OpenPGP keys to trust, binary or armoured')
    .option(
      '--sign-verify <key>',
      'a key to trust: ed25519=inline:KEY or ed25519=file:PATH, or spki=…; may be repeated',
      addKey,
    )
    .option('--no-sign-verify', 'take commits without a signature by such a key')
    .option('--contenturl <url>', 'where contents are, if elsewhere')
    .option('--collection-id <id>', 'the collection that its commits must be bound to')
    .option('--if-not-exists', 'do nothing if there is a remote of that name')
    .option('--force', 'replace a remote of that name')
    .action(async (name: string, url: string, branches: string[], flags: AddFlags, command: Command) => {
      await withRepository(command, async (repository) => {
        const { addOstreeRemote } = await import('../../../index/ostree-remotes.js')
        const { signVerify, gpgImport, contenturl, collectionId } = flags
        await addOstreeRemote(repository, name, url, {
          branches,
          settings: new Map(flags.set),
          existing: flags.force === true ? 'replace' : flags.ifNotExists === true ? 'keep' : 'fail',
          ...(!flags.gpgVerify && { gpgVerify: false }),
          ...(signVerify !== undefined && { signVerify: signVerify === false ? [] : signVerify }),
          ...(gpgImport !== undefined && { gpgImport }),
          ...(contenturl !== undefined && { contentUrl: contenturl }),
          ...(collectionId !== undefined && { collectionId }),
        })
      })
    })
}

function addKey(text: string, before: readonly string[] | boolean | undefined): string[] {
  return [...(Array.isArray(before) ? (before as string[]) : []), text]
}

export function ostreeRemoteListCommand(): Command {
  return new Command('list')
    .option('-u, --show-urls', 'with their URLs')
    .action(async (flags: { showUrls?: boolean }, command: Command) => {
      await withRepository(command, async (repository) => {
        const { listOstreeRemotes } = await import('../../../index/ostree-remotes.js')
        const remotes = listOstreeRemotes(repository)
        const width = Math.max(0, ...remotes.map(({ name }) => name.length))
        for (const { name, url, metalink } of remotes) {
          print(flags.showUrls === true ? `${name.padEnd(width)}  ${url ?? `metalink=${metalink}`}` : name)
        }
      })
    })
}

export function ostreeRemoteRemoveCommand(): Command {
  return new Command('remove')
    .argument('<name>', 'the remote')
    .option('--if-exists', 'do nothing if there is none of that name')
    .action(async (name: string, flags: { ifExists?: boolean }, command: Command) => {
      await withRepository(command, async (repository) => {
        const { removeOstreeRemote } = await import('../../../index/ostree-remotes.js')
        if (removeOstreeRemote(repository, name) || flags.ifExists === true) return
        throw new SluiceError('SLUICE_NOT_FOUND', `there is no remote ${name}`)
      })
    })
}
