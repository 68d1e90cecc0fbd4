/** Tools that pull into other kinds of stores. */
import { join } from 'node:path'
import { runProgram } from '../support/programs.js'
import type { Peer } from './peer.js'

const versionOf = (program: string) => async () => (await runProgram(program, ['--version'])).trim().split('\n')[0]

/** Copies the blobs as they are, to one folder. */
export const skopeo: Peer = {
  name: 'skopeo',
  needs: ['skopeo'],
  sources: ['registry', 'layout'],
  again: true,
  composefs: false,
  version: versionOf('skopeo'),
  command: ({ policy, reference, target }) => [
    'skopeo',
    `--policy=${policy}`,
    'copy',
    '--quiet',
    '--src-tls-verify=false',
    reference,
    `dir:${join(target, 'copy')}`,
  ],
}

/** Unpacks the layers to one tree of files; knows no registries, and does not unpack to where something is. */
export const umoci: Peer = {
  name: 'umoci',
  needs: ['umoci'],
  sources: ['layout'],
  again: false,
  composefs: false,
  version: versionOf('umoci'),
  command: ({ corpus, target }) => {
    const rootless = process.getuid?.() === 0 ? [] : ['--rootless']
    return ['umoci', 'unpack', ...rootless, '--image', `${corpus.layout}:${corpus.name}`, join(target, 'bundle')]
  },
}

/** Unpacks each layer to a tree of its own, in a store of its own. */
export const podman: Peer = {
  name: 'podman',
  needs: ['podman'],
  sources: ['registry', 'layout'],
  again: true,
  composefs: false,
  version: versionOf('podman'),
  command: ({ policy, reference, target }) => [
    'podman',
    `--root=${join(target, 'store')}`,
    `--runroot=${join(target, 'run')}`,
    '--storage-driver=overlay',
    'pull',
    '--quiet',
    `--signature-policy=${policy}`,
    '--tls-verify=false',
    reference,
  ],
}
