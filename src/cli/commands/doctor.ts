/** `sluice doctor`: what is in use here, what is missing, and what that would bring. */
import { Command } from 'commander'
import type { HostCapabilities, StorageCapabilities } from '../../index.js'
import { globalsOf, repositoryPath, type Globals } from '../globals.js'
import { formatSize, print, printJson } from '../output.js'

/** Version of the JSON form. */
const REPORT_VERSION = 1

export function doctorCommand(): Command {
  return new Command('doctor')
    .option('--json', 'as JSON')
    .action(async (flags: { json?: boolean }, command: Command) => {
      const { hostCapabilities, storageCapabilities } = await import('../../index/host.js')
      const host = hostCapabilities()
      const globals = globalsOf(command)
      const storage = saysWhere(globals) ? storageCapabilities(repositoryPath(globals)) : undefined
      const { version: node, arch } = process
      if (flags.json === true) {
        return printJson({ v: REPORT_VERSION, sluice: sluiceVersion(command), node, arch, host, storage })
      }
      print(
        [
          `${sluiceVersion(command)}, Node ${node}, ${arch}`,
          row('cores', `${host.cores}; ${threadsOf(host)}`),
          row('native code', nativeText(host)),
          '',
          'Libraries',
          ...libraryNames.flatMap((name) => libraryLines(name, host)),
          '',
          `Linux ${host.kernel}`,
          ...kernelLines(host),
          '',
          ...(storage === undefined ? ['--repo PATH tells what the file system there can do.'] : storageLines(storage)),
        ].join('\n'),
      )
    })
}

/** A directory is tried out only where somebody said so: that writes two small files. */
function saysWhere({ repo, user, system }: Globals): boolean {
  return repo !== undefined || user === true || system === true
}

function sluiceVersion(command: Command): string {
  let root = command
  while (root.parent !== null) root = root.parent
  return root.version() ?? ''
}

function row(name: string, text: string): string {
  return `  ${name.padEnd(14)}${text}`
}

function threadsOf({ threads, poolThreads }: HostCapabilities): string {
  const own = threads === 0 ? 'all work in one thread' : `${threads} threads beside the main one`
  return `${own}, ${poolThreads} in Node's pool`
}

function nativeText({ native, nativeFailure }: HostCapabilities): string {
  if (native === 'on') return 'on'
  if (native === 'off') return 'off: SLUICE_NATIVE=off; unset it to have what stands below'
  return `missing: ffi-rs has no binary for this platform, or npm left it out (${nativeFailure ?? 'no reason given'})`
}

type LibraryName = keyof HostCapabilities['libraries']
const libraryNames = [
  'libc',
  'libisal',
  'libdeflate',
  'libzstd',
  'libIPSec_MB',
  'liblzma',
] as const satisfies LibraryName[]

interface LibraryFacts {
  readonly use: string
  /** What it is like without it; figures as in the files of src/native that call the library. */
  readonly without: string
  /** How to get it; nothing for what every system has. */
  readonly install?: { readonly debian: string; readonly fedora: string }
  /** What it decodes, of the fields of `decoders`. */
  readonly decodes?: keyof HostCapabilities['decoders']
}

const facts: Readonly<Record<LibraryName, LibraryFacts>> = {
  libc: {
    use: 'locks, syncfs, fs-verity, reflink, mounts',
    without: 'no secure repositories, no mounts, and gc refuses, as it cannot lock',
  },
  libisal: {
    use: 'decodes gzip',
    without: "Node's zlib decodes gzip; with it, 1.3 times the output per CPU second (380 MB against 297)",
    install: { debian: 'libisal2', fedora: 'isa-l' },
    decodes: 'gzip',
  },
  libdeflate: {
    use: 'decodes files of ostree repositories of mode archive',
    without: 'what decodes gzip decodes them; with it, 1.3 times the output of libisal per CPU second',
    install: { debian: 'libdeflate0', fedora: 'libdeflate' },
    decodes: 'deflate',
  },
  libzstd: {
    use: 'decodes zstd',
    without: 'portable code decodes zstd; with it, 11 times the output per CPU second (440 MB against 39)',
    install: { debian: 'libzstd1', fedora: 'libzstd' },
    decodes: 'zstd',
  },
  libIPSec_MB: {
    use: 'hashes many blocks at a time',
    without: 'Node hashes blocks one by one; with it, 3.7 to 6.5 times as many per CPU second (version 1.3, AVX-512)',
    install: { debian: 'libipsec-mb1', fedora: 'intel-ipsec-mb' },
  },
  liblzma: {
    use: 'decodes static deltas of ostree',
    without: 'the program xz decodes them, if there is one; else commits are pulled object by object',
    install: { debian: 'liblzma5', fedora: 'xz-libs' },
    decodes: 'xz',
  },
}

function libraryLines(name: LibraryName, { native, libraries, decoders, blockHashes }: HostCapabilities): string[] {
  const { use, without, install, decodes } = facts[name]
  const file = libraries[name]
  if (native !== 'on') return [row(name, `not looked for: ${without}`)]
  if (file === undefined) {
    const how = install && `get it with "apt install ${install.debian}" or "dnf install ${install.fedora}"`
    return [row(name, `missing: ${without}`), ...(how === undefined ? [] : [row('', how)])]
  }
  const found = file === '' ? 'part of the program' : file
  if (name === 'libc' || blockHashes === name) return [row(name, `${found}; ${use}`)]
  if (decodes === undefined) return [row(name, `${found} is not used: not version 1.3, no AVX-512, or wrong answers`)]
  if (decoders[decodes] === name) return [row(name, `${found}, passed its known-answer test; ${use}`)]
  return [row(name, `${found} is not used, as it failed its known-answer test: ${without}`)]
}

const yesNo = (yes: boolean, no: string, note = '') => (yes ? `yes${note}` : `no: ${no}`)

function kernelLines(host: HostCapabilities): string[] {
  const needsNative = 'needs native code'
  return [
    row('flock', yesNo(host.flock, needsNative)),
    row('syncfs', yesNo(host.syncfs, `${needsNative}; the sync program does it`)),
    row('fs-verity', host.verity ? 'yes; file systems have it or not' : 'no sign of it; file systems have it or not'),
    row('reflink', 'file systems have it or not'),
    ...systemCallLines(host),
    row('EROFS', yesNo(host.erofs, 'not in the kernel, or its module is not loaded')),
    row('', `from a file: ${yesNo(host.fileBackedErofs, 'Linux 6.12 has it; a loop device is used')}`),
    row('overlay', yesNo(host.overlay, 'not in the kernel, or its module is not loaded')),
    row('', `data-only layers: ${yesNo(host.dataOnlyLayers, 'mounts need Linux 6.5')}`),
    row('', `checks fs-verity: ${yesNo(host.overlayVerity, 'secure repositories need Linux 6.6 to be mounted')}`),
  ]
}

const callStates = {
  present: 'yes',
  refused: 'not permitted to this process',
  missing: 'not in this kernel',
  unknown: 'needs native code to ask',
} as const

function systemCallLines({ systemCalls }: HostCapabilities): string[] {
  return Object.entries(callStates).flatMap(([state, text]) => {
    const names = Object.entries(systemCalls)
      .filter(([, found]) => found === state)
      .map(([name]) => name)
    return names.length === 0 ? [] : [row('system calls', `${names.join(', ')}: ${text}`)]
  })
}

function storageLines({ directory, fileSystem, can, failure }: StorageCapabilities): string[] {
  const head = `${directory}: ${fileSystem.type}, ${formatSize(fileSystem.freeBytes)} free`
  if (can === undefined) return [head, `  ${failure}`]
  return [
    head,
    row('fs-verity', yesNo(can.verity, 'repositories here are insecure', '; repositories here can be secure')),
    row('reflink', yesNo(can.reflink, 'contents are copied', '; contents can be shared with other files')),
  ]
}
