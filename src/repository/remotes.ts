/**
 * Remotes of ostree lie in `.sluice/remotes.d` of the repository, a place that cfsctl does not look at (tried with 0.9.4):
 * `NAME.conf` as in libostree's own `remotes.d`, and with it `NAME.trustedkeys.gpg`.
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf, ioError, SluiceError } from '../errors.js'
import { parseKeyFile } from '../formats/ostree/key-file.js'
import {
  checkRemoteName,
  findRemoteSettings,
  formatRemote,
  parseRemote,
  type OstreeRemote,
  type RemoteSettings,
} from '../formats/ostree/remote-config.js'
import { makeDirectories, randomSuffix } from './links.js'
import { namesIn } from './names-in.js'
import type { Repository } from './repository.js'
import { writeAll } from './write-all.js'

/** Relative to the repository. */
const REMOTES_DIRECTORY = '.sluice/remotes.d'
const CONFIG_SUFFIX = '.conf'
const KEYRING_SUFFIX = '.trustedkeys.gpg'

type Place = Pick<Repository, 'path'>

const pathOf = ({ path }: Place, file: string) => join(path, REMOTES_DIRECTORY, file)

/** Where the keyring of a remote is, if it has one. */
export function remoteKeyringPath(repository: Place, name: string): string {
  return pathOf(repository, name + KEYRING_SUFFIX)
}

/** Names of the remotes, sorted. */
export function remoteNames(repository: Place): string[] {
  return namesIn(join(repository.path, REMOTES_DIRECTORY))
    .filter((file) => file.endsWith(CONFIG_SUFFIX))
    .map((file) => file.slice(0, -CONFIG_SUFFIX.length))
    .sort()
}

/** The remote of that name, or undefined. @throws SluiceError `SLUICE_CONFIG` or `SLUICE_FORMAT` if its file is unusable. */
export function findRemote(repository: Place, name: string): OstreeRemote | undefined {
  checkRemoteName(name)
  const path = pathOf(repository, name + CONFIG_SUFFIX)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw ioError(error, `cannot read remote ${name}`)
  }
  const settings = findRemoteSettings(parseKeyFile(text, path), name)
  if (settings === undefined) throw new SluiceError('SLUICE_CONFIG', `${path} has no section [remote "${name}"]`)
  return parseRemote(name, settings)
}

/** Writes a remote, in place of the one of that name. @param keyring its OpenPGP keys; without, it has none. */
export function writeRemote(
  repository: Place,
  name: string,
  settings: RemoteSettings,
  keyring: Uint8Array | undefined,
): void {
  checkRemoteName(name)
  parseRemote(name, settings)
  const text = formatRemote(name, settings)
  // Keys first: the remote is never there without them.
  if (keyring === undefined) removeFile(remoteKeyringPath(repository, name))
  else replaceFile(remoteKeyringPath(repository, name), keyring)
  replaceFile(pathOf(repository, name + CONFIG_SUFFIX), Buffer.from(text))
}

/** Forgets a remote and its keys; false if there was none. */
export function removeRemote(repository: Place, name: string): boolean {
  checkRemoteName(name)
  const existed = removeFile(pathOf(repository, name + CONFIG_SUFFIX))
  removeFile(remoteKeyringPath(repository, name))
  return existed
}

/** Readable by the owner only: a URL may hold a password. */
function replaceFile(path: string, bytes: Uint8Array): void {
  const temporary = `${path}.${randomSuffix()}`
  try {
    makeDirectories(join(path, '..'))
    const fd = openSync(temporary, 'wx', 0o600)
    try {
      writeAll(fd, bytes)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(temporary, path)
  } catch (error) {
    removeFile(temporary)
    throw ioError(error, `cannot write ${path}`)
  }
}

function removeFile(path: string): boolean {
  try {
    unlinkSync(path)
    return true
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw ioError(error, `cannot remove ${path}`)
  }
}
