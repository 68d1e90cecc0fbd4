/** `dir:DIRECTORY`, as other tools write it: a manifest and its blobs side by side, seen as the files of a layout. */
import { SluiceError } from '../../errors.js'
import { documentMediaType } from '../../formats/oci/manifest.js'
import { sha256Digest } from '../../formats/oci/sha256-digest.js'
import { directoryLayoutFiles, readDocument, type LayoutFile, type LayoutFiles } from './layout-files.js'

const MANIFEST = 'manifest.json'
/** Instances of an index have it behind their digest. */
const INSTANCE = `.${MANIFEST}`

/** @throws SluiceError `SLUICE_NOT_FOUND` if there is no manifest, `SLUICE_FORMAT` if it cannot be one. */
export async function directoryImageFiles(path: string, signal: AbortSignal): Promise<LayoutFiles> {
  const files = directoryLayoutFiles(path)
  const file = await files.open(MANIFEST)
  if (file === undefined) {
    throw new SluiceError('SLUICE_NOT_FOUND', `dir:${path}: there is no ${MANIFEST}`, {
      hint: 'dir: is for what other tools wrote to dir:; a layout is oci:',
    })
  }
  const where = `dir:${path}: ${MANIFEST}`
  const manifest = await readDocument(file, where, signal)
  const digest = sha256Digest(manifest)
  const descriptor = { mediaType: documentMediaType(manifest, undefined, where), digest, size: manifest.length }
  const index = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }))
  return {
    async open(name) {
      if (name === 'index.json') return memoryFile(index)
      const hex = name.slice(name.lastIndexOf('/') + 1)
      if (digest.endsWith(`:${hex}`)) return memoryFile(manifest)
      return (await files.open(hex)) ?? files.open(`${hex}${INSTANCE}`)
    },
    close: () => files.close(),
  }
}

function memoryFile(bytes: Buffer): LayoutFile {
  return {
    size: bytes.length,
    async *read() {
      yield bytes
    },
    close: () => Promise.resolve(),
  }
}
