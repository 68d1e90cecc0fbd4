/** The two link directories of a repository, `images/` and `streams/`, with their `refs/` (repository.md §2.5, §2.6). */
import { readdirSync, readlinkSync, unlinkSync, type Dirent } from 'node:fs'
import { join } from 'node:path'
import { errnoOf, ioError, SluiceError } from '../errors.js'
import { objectIdFromPath, objectPath, type HashAlgorithm, type ObjectId } from '../formats/digest.js'
import { ensureLink } from './links.js'
import { checkName, type Category } from './names.js'

export interface Ref {
  /** Below `refs/`, with slashes. */
  readonly name: string
  /** The first-level entry it points to: the last component of the link's text. */
  readonly entry: string
}

export class LinkCategory {
  readonly name: Category
  readonly #root: string
  readonly #algorithm: HashAlgorithm

  constructor(root: string, name: Category, algorithm: HashAlgorithm) {
    this.#root = root
    this.name = name
    this.#algorithm = algorithm
  }

  path(...parts: string[]): string {
    return join(this.#root, this.name, ...parts)
  }

  /** Names of the first level, `refs` left out, sorted; links and whatever else lies there. */
  entries(): Dirent[] {
    return readDirectory(this.path()).filter((entry) => entry.name !== 'refs')
  }

  /**
   * The object a first-level link or a ref (`refs/…`) leads to; undefined if there is none of that name.
   *
   * @throws SluiceError `SLUICE_CORRUPT` if the name is no link, or leads nowhere an object could be.
   */
  objectOf(name: string): ObjectId | undefined {
    checkName(name, `${this.name.slice(0, -1)} name`)
    const target = this.#readLink(name)
    if (target === undefined) return undefined
    const entry = name.startsWith('refs/') ? this.#readLink(lastComponent(target)) : target
    const id = entry === undefined ? undefined : objectIdFromPath(this.#algorithm, entry)
    if (id === undefined) {
      throw new SluiceError('SLUICE_CORRUPT', `${this.name}/${name} does not lead to an object: ${entry ?? target}`)
    }
    return id
  }

  /** Makes the first-level link. The object must be complete, and for a stream also on disk (§2.9). */
  link(name: string, id: ObjectId): void {
    ensureLink(this.#root, `${this.name}/${name}`, `objects/${objectPath(id)}`)
  }

  /** Makes `refs/<ref>` point to the first-level entry `name`. */
  linkRef(ref: string, name: string): void {
    checkName(ref, 'reference name')
    ensureLink(this.#root, `${this.name}/refs/${ref}`, `${this.name}/${name}`)
  }

  /** Removes `refs/<ref>`; false if there was none. */
  unlinkRef(ref: string): boolean {
    checkName(ref, 'reference name')
    try {
      unlinkSync(this.path('refs', ref))
      return true
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false
      throw ioError(error, `cannot remove ${this.name}/refs/${ref}`)
    }
  }

  /** The entry a ref points to, or undefined. */
  refEntry(ref: string): string | undefined {
    checkName(ref, 'reference name')
    const target = this.#readLink(`refs/${ref}`)
    return target === undefined ? undefined : lastComponent(target)
  }

  /** All refs below `refs/<prefix>`, sorted by name; what is neither link nor directory is left out. */
  refs(prefix = ''): Ref[] {
    const found: Ref[] = []
    const walk = (directory: string): void => {
      for (const entry of readDirectory(this.path('refs', directory))) {
        const name = directory === '' ? entry.name : `${directory}/${entry.name}`
        if (entry.isSymbolicLink()) {
          const target = this.#readLink(`refs/${name}`)
          if (target !== undefined) found.push({ name, entry: lastComponent(target) })
        } else if (entry.isDirectory()) walk(name)
      }
    }
    walk(prefix)
    return found
  }

  #readLink(name: string): string | undefined {
    try {
      return readlinkSync(this.path(name))
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined
      if (errno === 'EINVAL') throw new SluiceError('SLUICE_CORRUPT', `${this.name}/${name} is not a symbolic link`)
      throw ioError(error, `cannot read ${this.name}/${name}`)
    }
  }
}

function lastComponent(target: string): string {
  return target.slice(target.lastIndexOf('/') + 1)
}

/** The entries of a directory sorted by name; none if it is missing: every directory of a repository is optional. */
export function readDirectory(path: string): Dirent[] {
  try {
    const entries = readdirSync(path, { withFileTypes: true })
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw ioError(error, `cannot list ${path}`)
  }
}
