/** Images that container runtimes run and the reference refuses (oci.md §4.0): pulled, and as the runtimes see them. */
import { before, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { OciLayout, rawTar, umociUnpack, type RawEntry } from '../helpers/system-images.js'
import { noise } from '../helpers/system-rootfs.js'
import { missing, missingForSluice, mountTools, runTool, scratchFolder, ToolRepository } from '../helpers/system-run.js'
import { compareTrees, composefsView, listTree, type TreeListing } from '../helpers/system-tree.js'

const directory = (name: string, mode = 0o755): RawEntry => ({ name, type: 'directory', mode })
const file = (name: string, content = noise(name, 100)): RawEntry => ({ name, content, mode: 0o644 })
const link = (name: string, linkname: string): RawEntry => ({ name, linkname, type: 'symlink', mode: 0o777 })
const hardLink = (name: string, linkname: string): RawEntry => ({ name, linkname, type: 'link' })
const whiteout = (name: string): RawEntry => file(name, Buffer.of())

type Layers = readonly (readonly RawEntry[])[]

interface Unusual {
  readonly name: string
  readonly layers: Layers
  /** What to unpack for comparison where umoci refuses the layers but runtimes that stack them do not. */
  readonly like?: Layers
  /**
   * Times (in seconds) of directories whose present time a runtime lets slip in: those without an entry, which have
   * time 0 in Sluice, and those in which one was made.
   */
  readonly times?: Readonly<Record<string, number>>
}

const unusual: readonly Unusual[] = [
  {
    name: 'no /usr, with an entry for the root',
    layers: [[directory('./', 0o750), file('./app'), directory('./etc'), file('./etc/app.conf')]],
  },
  { name: 'no /usr, no entry for the root', layers: [[file('app')]] },
  {
    name: '/usr is a symlink',
    layers: [[directory('./'), directory('system'), link('usr', 'system'), file('system/x')]],
  },
  {
    name: 'parents without entries',
    layers: [[directory('usr'), file('opt/vendor/tool/bin'), file('usr/lib/x')], [file('srv/data/y')]],
    times: { opt: 0, 'opt/vendor': 0, 'opt/vendor/tool': 0, usr: 1.7e9, 'usr/lib': 0, srv: 0, 'srv/data': 0 },
  },
  {
    name: 'a parent whose entry comes later',
    layers: [[directory('usr'), file('opt/x'), { ...directory('opt', 0o711), uid: 5, gid: 6 }]],
  },
  {
    name: 'entries below symlinked directories',
    layers: [
      [directory('usr'), directory('usr/bin'), directory('usr/lib'), link('bin', 'usr/bin'), link('lib', '/usr/lib')],
      [file('bin/relative'), file('lib/absolute'), hardLink('lib/linked', 'bin/relative'), directory('lib/deeper')],
      [directory('usr/local'), link('usr/local/up', '../../usr/bin'), file('usr/local/up/dots'), link('lib/s', 'x')],
    ],
  },
  {
    name: 'whiteouts below symlinked directories, and of nothing',
    layers: [
      [directory('usr'), directory('usr/bin'), link('bin', 'usr/bin'), file('usr/bin/old'), file('usr/bin/new')],
      [whiteout('bin/.wh.old'), whiteout('usr/bin/.wh.never-there')],
    ],
  },
  {
    name: 'a parent that is a file',
    layers: [[directory('usr'), file('opt')], [file('opt/x')]],
    like: [
      [directory('usr'), file('opt')],
      [whiteout('.wh.opt'), file('opt/x')],
    ],
    times: { opt: 0 },
  },
  {
    name: '/run is a symlink',
    layers: [[directory('usr'), directory('var'), directory('var/run'), link('run', 'var/run'), file('var/run/pid')]],
  },
  { name: '/run is a file', layers: [[directory('usr'), file('run')]] },
  { name: 'no layers', layers: [] },
]

function withTimes(listing: TreeListing, times: Readonly<Record<string, number>>): TreeListing {
  const changed = new Map(listing)
  for (const [path, seconds] of Object.entries(times)) {
    const line = listing.get(path) ?? assert.fail(`the runtime made no ${path}`)
    changed.set(path, line.replace(/"mtime":"[^"]*"/, `"mtime":"${seconds}.000000000"`))
  }
  return changed
}

describe('images the reference refuses', { skip: missing(...mountTools) }, () => {
  const scratch = scratchFolder('unusual')
  for (const [index, { name, layers, like = layers, times = {} }] of unusual.entries()) {
    const folder = join(scratch, String(index))
    const layout = new OciLayout(folder)
    before(async () => {
      const image = async (all: Layers) => layout.image(await Promise.all(all.map((entries) => rawTar(entries))))
      layout.tag('t', await image(layers))
      layout.tag('like', await image(like))
    })

    test(`${name}: refused by cfsctl`, async () => {
      const theirs = await ToolRepository.init('cfsctl', `${folder}-cfsctl`)
      await theirs.fails(1, 'oci', 'pull', layout.reference('t'), 't')
    })

    test(`${name}: pulled`, { skip: missingForSluice() }, async () => {
      const unpacked = withTimes(await listTree(await umociUnpack(layout, 'like', `${folder}-bundle`)), times)

      const ours = await ToolRepository.init('sluice', `${folder}-sluice`)
      const parity = await runTool('sluice', [
        '--parity',
        '--repo',
        ours.path,
        'oci',
        'pull',
        layout.reference('t'),
        't',
      ])
      assert.notEqual(parity.status, 0, 'accepted with --parity')
      await ours.ok('oci', 'pull', layout.reference('t'), 't')
      assert.match(await ours.as('cfsctl').ok('oci', 'fsck'), /^oci images: 1\/1 ok$/m)

      for (const tool of ['sluice', 'cfsctl'] as const) {
        const mountPoint = `${folder}-mounted-by-${tool}`
        mkdirSync(mountPoint)
        await ours.as(tool).ok('oci', 'mount', 't', mountPoint)
        assert.deepEqual(compareTrees(await listTree(mountPoint), composefsView(unpacked, 1)), [])
      }
    })
  }
})
