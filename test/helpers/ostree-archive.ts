/** Archive repositories made for a test, of files in one directory. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { deflateRawSync } from 'node:zlib'
import { writeCommit } from '../../src/formats/ostree/commit.js'
import { writeDirmeta } from '../../src/formats/ostree/dirmeta.js'
import { writeDirtree } from '../../src/formats/ostree/dirtree.js'
import { writeSizedZlibHeader } from '../../src/formats/ostree/file-header.js'
import { fileId } from '../../src/formats/ostree/file-id.js'
import { ostreeObjectPath, type ObjectSuffix } from '../../src/formats/ostree/object-type.js'
import { hashMetadata, type OstreeId } from '../../src/formats/ostree/ostree-id.js'

/** Writes a commit of `files`, which is the ref `made`; a repository is made if there is none. */
export function writeArchive(directory: string, files: ReadonlyMap<string, Buffer>): OstreeId {
  for (const folder of ['objects', 'tmp', 'refs/heads']) mkdirSync(join(directory, folder), { recursive: true })
  writeFileSync(join(directory, 'config'), '[core]\nrepo_version=1\nmode=archive-z2\n')
  const put = (id: OstreeId, suffix: ObjectSuffix, bytes: Buffer): OstreeId => {
    const path = join(directory, ostreeObjectPath(id, suffix))
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, bytes)
    return id
  }
  const ids = [...files].map(([name, content]) => {
    const header = { uid: 0, gid: 0, mode: 0o100644, target: '', xattrs: [], size: content.length }
    const id = fileId(header, content)
    put(id, 'filez', Buffer.concat([writeSizedZlibHeader(header), deflateRawSync(content, { level: 1 })]))
    return { name, id }
  })
  const dirtree = writeDirtree({ files: ids.toSorted((a, b) => (a.name < b.name ? -1 : 1)), directories: [] })
  const dirmeta = writeDirmeta({ uid: 0, gid: 0, mode: 0o40755, xattrs: [] })
  const tree = put(hashMetadata(dirtree), 'dirtree', dirtree)
  const meta = put(hashMetadata(dirmeta), 'dirmeta', dirmeta)
  const commit = writeCommit({ metadata: [], related: [], subject: '', body: '', timestamp: 0n, tree, meta })
  const id = put(hashMetadata(commit), 'commit', commit)
  writeFileSync(join(directory, 'refs/heads/made'), `${id}\n`)
  return id
}
