import { Command, Option } from 'commander'
import { SluiceError } from '../../errors.js'
import type { ImageSourceOptions, PullResult, Repository } from '../../index.js'
import { defaults } from '../../options.js'
import { positive } from '../arguments.js'
import { cancelOnSignals } from '../cancel-on-signals.js'
import { withEngineOptions, type EngineFlags } from '../engine-options.js'
import { globalsOf, openOptions, repositoryPath, withRepository, type Globals } from '../globals.js'
import { formatSize, print } from '../output.js'
import { progressStyle, showPull } from '../progress.js'
import { storageImportOf, storagePlacesOf, withStorageOptions, type StorageFlags } from '../storage-options.js'
import { withTrace } from '../trace-file.js'
import { withSummaryOptions, type SummaryFlags } from './ostree/pull-source.js'

interface PullFlags extends EngineFlags, StorageFlags, SummaryFlags {
  readonly platform?: string
  readonly jobs?: number
  readonly trace?: string
  readonly json?: boolean
  readonly init?: boolean
  readonly tlsVerify?: boolean
  readonly authfile?: string
  readonly username?: string
  readonly passwordStdin?: boolean
  readonly bootable?: boolean
  readonly expectedDigest?: string
}

/** Options of both commands. */
function withSourceOptions(command: Command): Command {
  command
    .option('--platform <os/arch[/variant]>', "platform to choose from a multi-platform image; default: this host's")
    .addOption(new Option('-j, --jobs <n>', 'layers at a time').default(defaults.pullConcurrency).argParser(positive))
  return withEngineOptions(command)
    .option('--trace <file>', 'write what every stage did and when, for Perfetto or chrome://tracing')
    .option('--json', 'events as JSON lines on standard output; the last one has the result')
    .option('--no-tls-verify', 'accept any certificate, and plain HTTP')
    .addOption(new Option('--authfile <path>', 'file with credentials').env('REGISTRY_AUTH_FILE'))
    .option('--username <name>', 'user at the registry; needs --password-stdin')
    .option('--password-stdin', 'read the password from standard input')
}

export function pullCommand(): Command {
  const command = new Command('pull')
    .argument(
      '<image>',
      'docker://…, oci:DIR[:TAG], oci-archive:FILE[:TAG], dir:DIR, containers-storage:NAME, ostree:URL/REF, or just a name',
    )
    .argument('[tag]', 'tag to give it; default: IMAGE as it stands; none for ostree, where REF is the name')
    .option('--no-init', 'do not make a repository')
  return withSummaryOptions(withStorageOptions(withSourceOptions(command), 'auto')).action(
    async (image: string, tag: string | undefined, flags: PullFlags, self: Command) => {
      await checkPull(image, tag, flags)
      const { openOrInit } = await import('../../index/pull.js')
      const globals = globalsOf(self)
      await reaching(image, async () => {
        const repository = await openOrInit(repositoryPath(globals), openOptions(globals), {
          init: flags.init ?? true,
          onInit: ({ path, secure }) => {
            const kind = secure ? 'a secure repository' : 'an INSECURE repository (the file system has no fs-verity)'
            process.stderr.write(`Made ${kind} at ${path}\n`)
          },
        })
        try {
          if (image.startsWith(OSTREE)) return await pullOstreeReference(repository, image, flags, globals)
          await pull(repository, image, tag ?? image, flags, globals, true)
        } finally {
          repository.close()
        }
      })
    },
  )
}

/** Before a repository is made for a command line that is wrong. */
async function checkPull(image: string, tag: string | undefined, flags: PullFlags): Promise<void> {
  if (image.startsWith(OSTREE)) {
    if (tag !== undefined) throw new SluiceError('SLUICE_USAGE', 'an ostree commit takes no tag: its ref is its name')
    return
  }
  refuseTrustFlags(flags)
  checkCredentialFlags(flags)
  const { parsePlatform, parseReferenceOrName } = await import('../../index/values.js')
  parseReferenceOrName(image)
  if (flags.platform !== undefined) parsePlatform(flags.platform)
}

function checkCredentialFlags({ username, passwordStdin }: PullFlags): void {
  if ((username === undefined) === (passwordStdin !== true)) return
  throw new SluiceError('SLUICE_USAGE', '--username and --password-stdin go together')
}

/** To take keys for what they do not check would be to promise it. */
function refuseTrustFlags({ gpgKeyring, ed25519Key, requireSummarySignature }: SummaryFlags): void {
  if ((gpgKeyring ?? ed25519Key ?? requireSummarySignature) === undefined) return
  throw new SluiceError(
    'SLUICE_USAGE',
    '--gpg-keyring, --ed25519-key and --require-summary-signature are for ostree: only',
    {
      hint: 'images of registries are accepted by policy.json',
    },
  )
}

/** Does `work`; images of a storage that only root may read are pulled in a user namespace, if that helps. */
async function reaching(image: string, work: () => Promise<void>): Promise<void> {
  if (!image.startsWith(STORAGE)) return work()
  const { withStorageAccess } = await import('../user-namespace.js')
  await withStorageAccess(work)
}

export function ociPullCommand(): Command {
  const command = new Command('pull')
    .argument('<image>', 'docker://…, oci:DIR[:TAG], oci-archive:FILE[:TAG], dir:DIR or containers-storage:NAME')
    .argument('[name]', 'tag to give it; default: IMAGE as it stands')
    .option('--bootable', 'also make a boot image; not supported yet')
    .option('--expected-digest <hex>', 'id the boot image must have; needs --bootable')
  return withStorageOptions(withSourceOptions(command), 'disabled').action(
    async (image: string, name: string | undefined, flags: PullFlags, self: Command) => {
      if (flags.expectedDigest !== undefined && flags.bootable !== true) {
        throw new SluiceError('SLUICE_USAGE', '--expected-digest needs --bootable')
      }
      if (flags.bootable === true) throw new SluiceError('SLUICE_UNSUPPORTED', 'boot images are not supported yet')
      await reaching(image, () =>
        withRepository(self, (repository, globals) => pull(repository, image, name ?? image, flags, globals, false)),
      )
    },
  )
}

async function pull(
  repository: Repository,
  image: string,
  tag: string,
  flags: PullFlags,
  globals: Globals,
  bareNames: boolean,
): Promise<void> {
  const { openImageSource, pullOci } = await import('../../index/pull.js')
  const { parsePlatform } = await import('../../index/values.js')
  const sourceOptions = await imageSourceOptions(flags, globals)
  const controller = cancelOnSignals()
  const json = flags.json ?? false
  await withTrace(flags.trace, async (onSpan) => {
    const events = pullOci(
      repository,
      () => openImageSource(image, { ...sourceOptions, bareNames, signal: controller.signal }),
      {
        tag,
        concurrency: flags.jobs ?? defaults.pullConcurrency,
        maxMemory: flags.maxMemory ?? defaults.maxMemory,
        ...(flags.threads !== undefined && { threads: flags.threads }),
        ...(onSpan !== undefined && { onSpan }),
        parity: globals.parity ?? false,
        storage: storageImportOf(flags),
        signal: controller.signal,
        ...(flags.platform !== undefined && { platform: parsePlatform(flags.platform) }),
      },
    )
    const result = await showPull(events, progressStyle({ quiet: globals.quiet ?? false, json }))
    if (!json) printResult(result)
    if (globals.verbose !== undefined && !json) reportStages(result)
  })
}

/** `ostree:URL/REF`; of an URL with several components the ref begins where the repository ends. */
const OSTREE = 'ostree:'
const STORAGE = 'containers-storage:'

async function pullOstreeReference(
  repository: Repository,
  text: string,
  flags: PullFlags,
  globals: Globals,
): Promise<void> {
  const { pullOstreeUrl } = await import('./ostree/pull-url.js')
  await pullOstreeUrl(repository, text.slice(OSTREE.length), flags, globals)
}

async function imageSourceOptions(flags: PullFlags, globals: Globals): Promise<Omit<ImageSourceOptions, 'signal'>> {
  checkCredentialFlags(flags)
  return {
    env: process.env,
    storage: storagePlacesOf(flags),
    parity: globals.parity ?? false,
    ...(flags.tlsVerify === false && { tlsVerify: false }),
    // Empty is a REGISTRY_AUTH_FILE that is as good as unset.
    ...(flags.authfile && { authFile: flags.authfile }),
    ...(flags.username !== undefined && { credentials: { username: flags.username, password: await readPassword() } }),
  }
}

async function readPassword(): Promise<string> {
  const { text } = await import('node:stream/consumers')
  return (await text(process.stdin)).replace(/\r?\n$/, '')
}

/** Where the time went; to standard error, as talk. */
function reportStages({ stages, elapsedMs }: PullResult): void {
  const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`
  process.stderr.write(`${'stage'.padEnd(12)}${['bytes', 'items', 'busy', 'starved', 'blocked'].map(pad).join('')}\n`)
  for (const [name, { bytes, items, busyMs, starvedMs, blockedMs }] of Object.entries(stages)) {
    const columns = [formatSize(bytes), String(items), seconds(busyMs), seconds(starvedMs), seconds(blockedMs)]
    process.stderr.write(`${name.padEnd(12)}${columns.map(pad).join('')}\n`)
  }
  process.stderr.write(`altogether ${seconds(elapsedMs)}\n`)
}

const pad = (text: string) => text.padStart(13)

function printResult(result: PullResult): void {
  print(`manifest ${result.manifestDigest}`)
  print(`config   ${result.configDigest}`)
  print(`verity   ${result.manifestVerity}`)
  print(`tagged   ${result.tag}`)
  print(`objects  ${describeObjects(result.objects)}`)
}

/** As the reference says it (containers-storage.md §4.3). */
function describeObjects(objects: PullResult['objects']): string {
  const { newObjects, presentObjects, storedBytes, inlineBytes, reflinkedObjects, hardlinkedObjects } = objects
  const present = `${presentObjects} already present objects`
  const inlined = `${formatSize(inlineBytes)} inlined`
  if (reflinkedObjects + hardlinkedObjects === 0) {
    return `${newObjects} new + ${present}; ${formatSize(storedBytes)} stored, ${inlined}`
  }
  const ways = [
    ['reflinked', reflinkedObjects, objects.reflinkedBytes],
    ['hardlinked', hardlinkedObjects, objects.hardlinkedBytes],
  ] as const
  const shared = ways.filter(([, count]) => count > 0)
  const copied = newObjects - reflinkedObjects - hardlinkedObjects
  const copiedBytes = storedBytes - objects.reflinkedBytes - objects.hardlinkedBytes
  const counts = [...shared, ['copied', copied, copiedBytes] as const]
  return (
    `${counts.map(([how, count]) => `${count} ${how}`).join(' + ')} + ${present}; ` +
    `${counts.map(([how, , bytes]) => `${formatSize(bytes)} ${how}`).join(', ')}, ${inlined}`
  )
}
