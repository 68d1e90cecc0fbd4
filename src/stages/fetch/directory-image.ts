/** `dir:DIRECTORY`, as other tools write it: a manifest and its blobs side by side, seen as the files of a layout. */
import { createHash } from 'node:crypto'
import { formatError, SluiceError } from '../../errors.js'
import { MAX_DOCUMENT_BYTES } from '../../formats/oci/json-fields.js'
import { documentMediaType } from '../../formats/oci/manifest.js'
import { directoryLayoutFiles, type LayoutFile, type LayoutFiles } from './layout-files.js'
import { collect } from './verify-blob.js'

const MANIFEST = 'manifest.json'
/** Instances of an index have it behind their digest. */
const INSTANCE = `.${MANIFEST}`

/** @throws SluiceError `SLUICE_NOT_FOUND` if there is no manifest, `SLUICE_FORMAT` if it cannot be one. */
export async function directoryImageFiles(path: string, signal: AbortSignal): Promise<LayoutFiles> {
  const files = directoryLayoutFiles(path)
  const manifest = await readManifest(files, path, signal)
  const hex = createHash('sha256').update(manifest).digest('hex')
  const mediaType = documentMediaType(manifest, undefined, `dir:${path}: ${MANIFEST}`)
  const descriptor = { mediaType, digest: `sha256:${hex}`, size: manifest.length }
  const index = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }))
  return {
    async open(name) {
      if (name === 'index.json') return memoryFile(index)
      const digest = name.slice(name.lastIndexOf('/') + 1)
      if (digest === hex) return memoryFile(manifest)
      return (await files.open(digest)) ?? files.open(`${digest}${INSTANCE}`)
    },
    close: () => files.close(),
  }
}

async function readManifest(files: LayoutFiles, path: string, signal: AbortSignal): Promise<Buffer> {
  const file = await files.open(MANIFEST)
  if (file === undefined) {
    throw new SluiceError('SLUICE_NOT_FOUND', `dir:${path}: there is no ${MANIFEST}`, {
      hint: 'dir: is for what other tools wrote to dir:; a layout is oci:',
    })
  }
  try {
    if (file.size <= MAX_DOCUMENT_BYTES) return await collect(file.read(signal))
    throw formatError(`dir:${path}`, `${MANIFEST} has ${file.size} bytes, more than ${MAX_DOCUMENT_BYTES}`)
  } finally {
    await file.close()
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
