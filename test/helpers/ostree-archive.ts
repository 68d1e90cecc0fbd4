/** Archive repositories made for a test. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { deflateRawSync } from 'node:zlib'
import { writeCommit } from '../../src/formats/ostree/commit.js'
import { writeDirmeta, type Ownership } from '../../src/formats/ostree/dirmeta.js'
import { writeDirtree, type Dirtree } from '../../src/formats/ostree/dirtree.js'
import { isSymlink, writeSizedZlibHeader, type ArchiveFileHeader } from '../../src/formats/ostree/file-header.js'
import { fileId } from '../../src/formats/ostree/file-id.js'
import { ostreeObjectPath, type ObjectSuffix } from '../../src/formats/ostree/object-type.js'
import { hashMetadata, type OstreeId } from '../../src/formats/ostree/ostree-id.js'

/** Writes an archive repository object by object. */
export class ArchiveWriter {
  readonly #directory: string

  /** Makes the repository if there is none. */
  constructor(directory: string) {
    this.#directory = directory
    for (const folder of ['objects', 'tmp', 'refs/heads', 'refs/remotes', 'extensions']) {
      mkdirSync(join(directory, folder), { recursive: true })
    }
    writeFileSync(join(directory, 'config'), '[core]\nrepo_version=1\nmode=archive-z2\n')
  }

  file(header: ArchiveFileHeader, content: Buffer): OstreeId {
    const data = isSymlink(header) ? [] : [deflateRawSync(content, { level: 1 })]
    return this.#put(fileId(header, content), 'filez', Buffer.concat([writeSizedZlibHeader(header), ...data]))
  }

  dirmeta(ownership: Ownership): OstreeId {
    return this.#putMetadata('dirmeta', writeDirmeta(ownership))
  }

  /** Of entries in any order. */
  dirtree({ files, directories }: Dirtree): OstreeId {
    return this.#putMetadata('dirtree', writeDirtree({ files: byName(files), directories: byName(directories) }))
  }

  /** A commit without a parent, which becomes the ref `name`. */
  commit(
    name: string,
    root: { readonly tree: OstreeId; readonly meta: OstreeId; readonly timestamp?: bigint },
  ): OstreeId {
    const bytes = writeCommit({ metadata: [], related: [], subject: '', body: '', timestamp: 0n, ...root })
    const id = this.#putMetadata('commit', bytes)
    writeFileSync(join(this.#directory, 'refs/heads', name), `${id}\n`)
    return id
  }

  #putMetadata(suffix: ObjectSuffix, bytes: Buffer): OstreeId {
    return this.#put(hashMetadata(bytes), suffix, bytes)
  }

  #put(id: OstreeId, suffix: ObjectSuffix, bytes: Buffer): OstreeId {
    const path = join(this.#directory, ostreeObjectPath(id, suffix))
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, bytes)
    return id
  }
}

/** In byte order, as ostree has them. */
function byName<Entry extends { readonly name: string }>(entries: readonly Entry[]): Entry[] {
  return entries.toSorted((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)))
}

/** Writes a commit of `files`, which is the ref `made`; a repository is made if there is none. */
export function writeArchive(directory: string, files: ReadonlyMap<string, Buffer>): OstreeId {
  const archive = new ArchiveWriter(directory)
  const ids = [...files].map(([name, content]) => {
    const header = { uid: 0, gid: 0, mode: 0o100644, target: '', xattrs: [], size: content.length }
    return { name, id: archive.file(header, content) }
  })
  const tree = archive.dirtree({ files: ids, directories: [] })
  return archive.commit('made', { tree, meta: archive.dirmeta({ uid: 0, gid: 0, mode: 0o40755, xattrs: [] }) })
}
