/** Trees made of Debian packages: a base system by debootstrap, and packages unpacked on top of it. Needs root and network. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram, runProgram } from '../support/programs.js'
import { SluiceError } from '../../src/errors.js'

const SUITE = 'bookworm'
/** Folders that are symlinks into /usr in every Debian system, but plain folders in some packages. */
const MERGED = ['bin', 'lib', 'lib32', 'lib64', 'libx32', 'sbin']

/** What an image of a base system leaves out: caches, logs, and what belongs to the machine that ran debootstrap. */
export const notPartOfBase = [
  'dev/*',
  'proc/*',
  'sys/*',
  'var/cache/apt/*',
  'var/cache/ldconfig/aux-cache',
  'var/lib/apt/lists/*',
  'var/log/*',
  'etc/resolv.conf',
  'etc/hostname',
  'etc/machine-id',
]

/** Makes a minimal Debian system, unless the tree is there. */
export async function debianBase(tree: string): Promise<void> {
  if (existsSync(tree)) return
  const missing = ['debootstrap', 'dpkg-deb', 'chroot'].filter((name) => findProgram(name) === undefined)
  if (process.getuid?.() !== 0) missing.unshift('root')
  if (missing.length > 0) {
    throw new SluiceError('SLUICE_UNSUPPORTED', `a Debian system cannot be made here without ${missing.join(', ')}`, {
      hint: 'install what is missing, or take the corpus "quick"',
    })
  }
  const partial = `${tree}.partial`
  rmSync(partial, { recursive: true, force: true })
  await runProgram('debootstrap', ['--variant=minbase', SUITE, partial])
  await runProgram('chroot', [partial, 'apt-get', 'update', '--quiet'])
  renameSync(partial, tree)
}

/**
 * Unpacks packages and all that they need and `base` lacks, without running their scripts.
 *
 * @param without trees whose packages are left out.
 */
export async function debianPackages(
  base: string,
  name: string,
  packages: readonly string[],
  without: readonly string[] = [],
): Promise<string> {
  const archives = archivesOf(base, name)
  mkdirSync(join(archives, 'partial'), { recursive: true })
  const options = ['--yes', '--quiet', '--no-install-recommends', '-o', `Dir::Cache::archives=/${cacheOf(name)}`]
  await runProgram('chroot', [base, 'apt-get', 'install', '--download-only', ...options, ...packages])

  const known = new Set(without.flatMap((other) => packageFiles(archivesOf(base, other))))
  const tree = `${base}-${name}`
  rmSync(tree, { recursive: true, force: true })
  mkdirSync(join(tree, 'usr'), { recursive: true })
  for (const link of MERGED) {
    mkdirSync(join(tree, 'usr', link), { recursive: true })
    symlinkSync(`usr/${link}`, join(tree, link))
  }
  for (const file of packageFiles(archives)) if (!known.has(file)) await unpack(join(archives, file), tree)
  return tree
}

const cacheOf = (name: string) => `var/cache/apt/${name}`
const archivesOf = (base: string, name: string) => join(base, cacheOf(name))

function packageFiles(archives: string): string[] {
  return readdirSync(archives)
    .filter((file) => file.endsWith('.deb'))
    .sort()
}

/** dpkg's own unpacking puts a folder in the place of a symlink; tar can be told not to. */
async function unpack(file: string, tree: string): Promise<void> {
  const script =
    'dpkg-deb --fsys-tarfile "$1" | tar --extract --preserve-permissions --numeric-owner --keep-directory-symlink --directory "$2"'
  await runProgram('bash', ['-o', 'pipefail', '-c', script, 'unpack', file, tree])
}
