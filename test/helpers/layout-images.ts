/** Images of a few layers in an OCI layout, which every tool can pull from. */
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Writes images of gzip layers, given as tars, to the layout `folder`, each with its tag. */
export function writeLayout(folder: string, images: ReadonlyMap<string, readonly Buffer[]>): void {
  const blobs = join(folder, 'blobs/sha256')
  mkdirSync(blobs, { recursive: true })
  const put = (mediaType: string, bytes: Buffer) => {
    writeFileSync(join(blobs, sha256(bytes)), bytes)
    return { mediaType, digest: `sha256:${sha256(bytes)}`, size: bytes.length }
  }
  const putJson = (mediaType: string, value: object) => put(mediaType, Buffer.from(JSON.stringify(value)))
  const manifests = [...images].map(([tag, tars]) => {
    const layers = tars.map((tar) => put('application/vnd.oci.image.layer.v1.tar+gzip', gzipSync(tar)))
    const config = putJson('application/vnd.oci.image.config.v1+json', {
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: tars.map((tar) => `sha256:${sha256(tar)}`) },
    })
    const manifest = putJson(MANIFEST, { schemaVersion: 2, mediaType: MANIFEST, config, layers })
    return { ...manifest, annotations: { 'org.opencontainers.image.ref.name': tag } }
  })
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }))
}
