/** The dumpfile reader, with the rules of the C tool (erofs.md §9, §11). */
import { asBuffer, type ByteString } from '../bytes.js'
import type { HashAlgorithm } from '../digest.js'
import { formatError, withContext, type SluiceError } from '../../errors.js'
import type { LeafHint, LeafHints } from '../erofs/leaf-hints.js'
import { shown } from '../tree/path.js'
import { isWhiteout, newDirectory, newLeaf, type Directory, type Leaf } from '../tree/tree.js'
import { parseLine, type ParsedLine } from './parse-line.js'

export interface Dumpfile {
  readonly root: Directory
  /** Which lines own hard-linked inodes and what link counts the lines print: the C tool takes both at their word. */
  readonly hints: LeafHints
}

export interface ReadDumpfileOptions {
  /** Of the DIGEST column. */
  readonly algorithm: HashAlgorithm
}

/**
 * The tree of a dumpfile.
 *
 * @throws SluiceError SLUICE_FORMAT with the line number when the text is malformed or breaks a limit
 */
export function readDumpfile(bytes: Uint8Array, { algorithm }: ReadDumpfileOptions): Dumpfile {
  const buffer = asBuffer(bytes)
  let builder: TreeBuilder | undefined
  for (let start = 0, number = 1; start < buffer.length; number++) {
    const newline = buffer.indexOf(10, start)
    const end = newline < 0 ? buffer.length : newline
    try {
      const line = parseLine(buffer.toString('latin1', start, end), algorithm)
      if (builder === undefined) builder = new TreeBuilder(line)
      else builder.add(line)
    } catch (error) {
      throw withContext(error, `line ${number}`)
    }
    start = end + 1
  }
  if (builder === undefined) throw formatError('dumpfile', 'empty; the first line must be the root directory')
  return builder.finish()
}

/** A name that stands for the inode of another line. */
interface Hardlink {
  readonly path: ByteString
  readonly parent: Directory
  readonly name: ByteString
  readonly target: ByteString
  visited: boolean
  leaf: Leaf | undefined
}

class TreeBuilder {
  readonly #root: Directory
  /** By path without its trailing slash: the root is the empty string. */
  readonly #directories = new Map<ByteString, Directory>()
  readonly #hardlinks = new Map<ByteString, Hardlink>()
  readonly #hints = new Map<Leaf, LeafHint>()

  constructor(line: ParsedLine) {
    if (line.path !== '/' || line.kind !== 'directory') {
      throw formatError('dumpfile', 'the first line must be the root directory')
    }
    this.#root = newDirectory(line.stat)
    this.#directories.set('', this.#root)
  }

  add(line: ParsedLine): void {
    const { path } = line
    const { directory: parent, name } = this.#place(path)
    checkName(name, path)
    if (parent.entries.has(name) || this.#hardlinks.has(path)) throw pathError(path, 'appears a second time')
    if (line.kind === 'hardlink') {
      this.#hardlinks.set(path, { path, parent, name, target: line.target, visited: false, leaf: undefined })
    } else if (line.kind === 'directory') {
      const directory = newDirectory(line.stat)
      parent.entries.set(name, directory)
      this.#directories.set(path, directory)
    } else {
      const leaf = newLeaf(line.stat, line.content)
      parent.entries.set(name, leaf)
      if (line.nlink !== 1) this.#hints.set(leaf, { nlink: line.nlink, directory: parent, name })
    }
  }

  /** Resolves the hard links: their targets may come later, and be links themselves. */
  finish(): Dumpfile {
    for (const link of this.#hardlinks.values()) link.parent.entries.set(link.name, this.#resolve(link))
    return { root: this.#root, hints: this.#hints }
  }

  #place(path: ByteString): { directory: Directory; name: ByteString } {
    const slash = path.lastIndexOf('/')
    if (slash < 0) throw pathError(path, 'is not absolute')
    const directory = this.#directories.get(path.slice(0, slash))
    if (directory === undefined) throw pathError(path, 'has no parent directory on an earlier line')
    return { directory, name: path.slice(slash + 1) }
  }

  /** Follows a chain of links with a loop; each link is walked once in all. */
  #resolve(first: Hardlink): Leaf {
    const chain: Hardlink[] = []
    let link: Hardlink | undefined = first
    let leaf: Leaf | undefined
    while (leaf === undefined) {
      if (link.leaf !== undefined) {
        leaf = link.leaf
      } else if (link.visited) {
        throw pathError(first.path, 'is a hard link to itself')
      } else {
        link.visited = true
        chain.push(link)
        const next: Hardlink | undefined = this.#hardlinks.get(link.target)
        if (next === undefined) leaf = this.#linkedLeaf(link)
        else link = next
      }
    }
    for (const walked of chain) walked.leaf = leaf
    return leaf
  }

  /** The leaf on the line that `link` names. */
  #linkedLeaf({ path, target }: Hardlink): Leaf {
    const { directory, name } = this.#place(target)
    const node = name === '' ? directory : directory.entries.get(name)
    if (node === undefined) throw pathError(path, `links to ${shown(target)}, which does not exist`)
    if (node.kind === 'directory') throw pathError(path, `links to ${shown(target)}, which is a directory`)
    if (isWhiteout(node)) {
      throw pathError(path, `links to ${shown(target)}, which is a whiteout`)
    }
    if (!this.#hints.has(node)) this.#hints.set(node, { nlink: 1, directory, name })
    return node
  }
}

function pathError(path: ByteString, problem: string): SluiceError {
  return formatError('dumpfile', `${shown(path)} ${problem}`)
}

function checkName(name: ByteString, path: ByteString): void {
  if (path === '/') throw formatError('dumpfile', 'a second root line')
  if (name === '') throw pathError(path, 'has an empty component')
  if (name === '.' || name === '..') throw pathError(path, 'has a component "." or ".."')
  if (name.length > 255) throw pathError(path, `has a component of ${name.length} bytes (255 are possible)`)
}
