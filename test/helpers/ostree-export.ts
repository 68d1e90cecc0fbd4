/** What an export wrote, and what it can write here. */
import { lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { repositoryModes, type RepositoryMode } from '../../src/formats/ostree/repository-config.js'
import { libcAvailable } from '../../src/native/libc.js'
import { listXattrs, readXattr, writeXattr } from '../../src/native/xattr.js'
import { openFilez } from './ostree-objects.js'

/** An object as far as it counts: what it is, owner, mode, time, attributes, content. */
export interface ObjectFacts {
  readonly type: 'file' | 'symlink'
  readonly mode: string
  readonly owner: string
  readonly mtimeMs: number
  readonly xattrs: readonly string[]
  readonly content: string
}

/** All objects of a repository, by `ID.SUFFIX`. */
export function objectFacts(repository: string): Map<string, ObjectFacts> {
  const root = join(repository, 'objects')
  const facts = new Map<string, ObjectFacts>()
  for (const path of readdirSync(root, { recursive: true, encoding: 'utf8' }).sort()) {
    const full = join(root, path)
    const stats = lstatSync(full)
    if (stats.isDirectory()) continue
    facts.set(path.replace('/', ''), {
      type: stats.isSymbolicLink() ? 'symlink' : 'file',
      mode: stats.isSymbolicLink() ? '' : (stats.mode & 0o7777).toString(8),
      owner: `${stats.uid}:${stats.gid}`,
      mtimeMs: stats.mtimeMs,
      xattrs: !libcAvailable()
        ? []
        : listXattrs(full).map((name) => `${name}=${readXattr(full, name)!.toString('hex')}`),
      content: stats.isSymbolicLink() ? readlinkSync(full, 'latin1') : contentOf(full),
    })
  }
  return facts
}

/** Two programs deflate the same content differently. */
function contentOf(path: string): string {
  const bytes = readFileSync(path)
  if (!path.endsWith('.filez')) return bytes.toString('latin1')
  const { sizedHeader, content } = openFilez(bytes)
  return Buffer.concat([sizedHeader, content]).toString('latin1')
}

/** What a killed or failed export may not leave: directories of its own. */
export function stagingLeftovers(repository: string): string[] {
  return readdirSync(join(repository, 'tmp')).filter((name) => name.startsWith('sluice-'))
}

/** The modes that this process can write here: some need root, some attributes. */
export function writableModes(): RepositoryMode[] {
  const isRoot = process.getuid?.() === 0
  const needs: Record<RepositoryMode, boolean> = {
    archive: true,
    bare: isRoot && userXattrs(),
    'bare-user': userXattrs(),
    'bare-user-only': true,
    'bare-split-xattrs': isRoot,
  }
  return repositoryModes.filter((mode) => needs[mode])
}

let known: boolean | undefined

/** Whether temporary files can have `user.*`: not with Linux before 6.6 on tmpfs, nor without native code. */
function userXattrs(): boolean {
  known ??= libcAvailable() && canWriteXattr()
  return known
}

function canWriteXattr(): boolean {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-test-'))
  const file = join(directory, 'file')
  try {
    writeFileSync(file, '')
    writeXattr(file, 'user.test', Buffer.from('1'))
    return true
  } catch {
    return false
  } finally {
    rmSync(directory, { recursive: true })
  }
}
