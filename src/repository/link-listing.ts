/**
 * What lies in the link directories, for collection and checks: every name as bytes.
 *
 * A name that is no UTF-8 reads as another name that does not exist; a root lost that way would lose its objects too.
 */
import { lstatSync, readdirSync, readlinkSync, realpathSync, statSync, type Dirent, type Stats } from 'node:fs'
import { errnoOf, ioError, SluiceError } from '../errors.js'
import { displayByteString, fromByteString, toByteString, utf8ByteString, type ByteString } from '../formats/bytes.js'
import { objectPath, type ObjectId } from '../formats/digest.js'
import type { Category } from './names.js'

export interface LinkEntry {
  /** Last component. */
  readonly name: ByteString
  /** Relative to the repository: `streams/refs/oci/app`. */
  readonly path: ByteString
  /** The link's text; undefined if this is no link. */
  readonly target: ByteString | undefined
  /** As the reference names file types: `RegularFile`, `Directory`, … */
  readonly fileType: string
}

/** The first level of a category, `refs` left out, sorted; empty if there is no such directory. */
export function listLinks(root: string, category: Category): LinkEntry[] {
  return list(root, category).filter(({ name }) => name !== 'refs')
}

/** Everything below `refs/` of a category, or `refs/<below>`, but directories; sorted by directory. */
export function listRefs(root: string, category: Category, below?: string): LinkEntry[] {
  const refs: LinkEntry[] = []
  const directories: ByteString[] = [below === undefined ? `${category}/refs` : `${category}/refs/${below}`]
  for (let directory = directories.pop(); directory !== undefined; directory = directories.pop()) {
    for (const entry of list(root, directory)) {
      if (entry.fileType === 'Directory') directories.push(entry.path)
      else refs.push(entry)
    }
  }
  return refs
}

function list(root: string, directory: ByteString): LinkEntry[] {
  let entries: Dirent<Buffer>[]
  try {
    entries = readdirSync(rawPath(root, directory), { withFileTypes: true, encoding: 'buffer' })
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw ioError(error, `cannot list ${displayByteString(directory)}`)
  }
  return entries
    .flatMap((entry) => {
      const name = toByteString(entry.name)
      const path = `${directory}/${name}`
      const target = entry.isSymbolicLink() ? readLink(root, path) : undefined
      const isGone = entry.isSymbolicLink() && target === undefined
      return isGone ? [] : [{ name, path, target, fileType: fileTypeName(entry) }]
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

function fileTypeName(entry: Dirent<Buffer>): string {
  if (entry.isFile()) return 'RegularFile'
  if (entry.isDirectory()) return 'Directory'
  if (entry.isFIFO()) return 'Fifo'
  if (entry.isSocket()) return 'Socket'
  if (entry.isBlockDevice()) return 'BlockDevice'
  if (entry.isCharacterDevice()) return 'CharacterDevice'
  return entry.isSymbolicLink() ? 'Symlink' : 'Unknown'
}

/** The text of a link; undefined if somebody has removed it since it was listed, as tags are under the shared lock. */
function readLink(root: string, path: ByteString): ByteString | undefined {
  try {
    return toByteString(readlinkSync(rawPath(root, path), { encoding: 'buffer' }))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw ioError(error, `cannot read ${displayByteString(path)}`)
  }
}

/** Whether a link is there, broken or not. */
export function isLinkThere(root: string, path: ByteString): boolean {
  return lstatSync(rawPath(root, path), { throwIfNoEntry: false }) !== undefined
}

/** What a link leads to; undefined if it is broken. @throws the system error of any other failure. */
export function followLink(root: string, path: ByteString): Stats | undefined {
  return unlessBroken(() => statSync(rawPath(root, path)))
}

/** Between following a link and reading it, it may have become another and the same again; hardly so often. */
const LOOKS = 5

/**
 * Makes sure that a link leads where its text says: the text alone is the same when the directory of the link is moved.
 *
 * @throws SluiceError `SLUICE_CORRUPT` if it leads nowhere, or to another file than that of the object `id`.
 */
export function requireObjectLink(root: string, path: ByteString, id: ObjectId): void {
  const fileOf = (path: ByteString): Stats | undefined => {
    try {
      return followLink(root, path)
    } catch (error) {
      throw ioError(error, `cannot follow ${displayByteString(path)}`)
    }
  }
  let end: Stats | undefined
  for (let look = 1; look <= LOOKS; look++) {
    end = fileOf(path)
    const object = fileOf(`objects/${objectPath(id)}`)
    if (end !== undefined && end.ino === object?.ino && end.dev === object.dev) return
    // Under the shared lock somebody may have stored the stream anew since it was listed.
    if (readLink(root, path)?.toLowerCase().endsWith(objectPath(id)) === false) return
  }
  const where = end === undefined ? 'nowhere' : 'to another file'
  throw new SluiceError('SLUICE_CORRUPT', `${displayByteString(path)} names object ${id}, but leads ${where}`, {
    hint: `move it back, or make it a link to ../objects/${objectPath(id)}; "fsck" tells of all such links`,
  })
}

/**
 * Makes sure that a directory that seems to be missing is not a link to one elsewhere which is not there now.
 *
 * @throws SluiceError `SLUICE_CORRUPT`
 */
export function requireNoBrokenLink(root: string, directory: ByteString): void {
  if (!isLinkThere(root, directory) || resolveLink(root, directory) !== undefined) return
  throw new SluiceError('SLUICE_CORRUPT', `${displayByteString(directory)} is a link that leads nowhere`, {
    hint: 'mount what it leads to, or remove the link if nothing in there is wanted any more',
  })
}

/** The absolute path of what a path of the repository leads to, all links resolved; undefined if it is broken. */
export function resolveLink(root: string, path: ByteString): ByteString | undefined {
  try {
    return unlessBroken(() => toByteString(realpathSync.native(rawPath(root, path), { encoding: 'buffer' })))
  } catch (error) {
    throw ioError(error, `cannot follow ${displayByteString(path)}`)
  }
}

function unlessBroken<T>(follow: () => T): T | undefined {
  try {
    return follow()
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** The path of a file of the repository, for node:fs. */
export function rawPath(root: string, path: ByteString): Buffer {
  return fromByteString(`${utf8ByteString(root)}/${path}`)
}
