/**
 * Static deltas by the real ostree, between random trees and with random options: what they make is what a pull of the
 * objects makes, and what the reference makes of them. SLUICE_DELTAS gives their number (8), SLUICE_SEED repeats a run.
 */
import assert from 'node:assert/strict'
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Random } from '../fuzz/random.js'
import { missing, runOk, scratchFolder, ToolRepository, type ToolName } from '../helpers/system-run.js'

const deltas = Number(process.env['SLUICE_DELTAS'] ?? 8)
const seed = Number(process.env['SLUICE_SEED'] ?? Date.now() % 1_000_000)

test('random deltas make what pulls make', { skip: missing('cfsctl', 'ostree') }, async (t) => {
  t.diagnostic(`seed ${seed}`)
  const scratch = scratchFolder('random-deltas')
  const [tree, source] = [join(scratch, 'tree'), join(scratch, 'source')]
  const ostree = async (...args: string[]) => (await runOk('ostree', [`--repo=${source}`, ...args])).toString().trim()
  const commit = () => ostree('commit', '--branch=main', '--parent=none', `--tree=dir=${tree}`)
  await ostree('init', '--mode=archive')
  let from = await committed(new Random(seed, 'first'), 40)
  for (let number = 0; number < deltas; number++) {
    const random = new Random(seed, number)
    const to = await committed(random, 8)
    const isWhole = random.chance(0.25)
    const options = deltaOptions(random)
    const what = `delta ${number} of SLUICE_SEED=${seed}: ${isWhole ? 'from nothing ' : ''}${options.join(' ')}`
    await ostree('static-delta', 'generate', isWhole ? '--empty' : `--from=${from}`, `--to=${to}`, ...options)
    const [superblock] = readdirSync(join(source, 'deltas'), { recursive: true, encoding: 'utf8' }).filter((path) =>
      path.endsWith('superblock'),
    )
    const hash = random.pick(['sha256', 'sha512'])
    /** The image of the commit in a new repository, which has the commit before. */
    const made = async (tool: ToolName, ...words: string[]): Promise<string> => {
      const path = join(scratch, `${number}-${tool}-${words[0]}`)
      const repository = await ToolRepository.init(tool, path, { hash, env: { SLUICE_PARITY: '1' } })
      if (!isWhole) await repository.ok('ostree', 'pull-local', source, from)
      const printed = await repository.ok('ostree', ...words)
      await repository.other.ok('fsck')
      rmSync(path, { recursive: true })
      return /^image +(\w+)$/m.exec(printed)![1]
    }
    const expected = await made('sluice', 'pull-local', source, to)
    for (const tool of ['sluice', 'cfsctl'] as const) {
      assert.equal(await made(tool, 'apply-delta', join(source, 'deltas', superblock)), expected, `${what}, ${tool}`)
    }
    rmSync(join(source, 'deltas'), { recursive: true })
    from = to
  }

  async function committed(random: Random, changes: number): Promise<string> {
    if (random.chance(0.1)) rmSync(tree, { recursive: true, force: true })
    for (; changes > 0; changes--) change(tree, random)
    return commit()
  }
})

function deltaOptions(random: Random): string[] {
  const options = [
    '--inline',
    `--min-fallback-size=${random.below(2)}`,
    random.pick(['--disable-bsdiff', '--max-bsdiff-size=0', '--max-bsdiff-size=1']),
    '--max-chunk-size=1',
    '--set-endianness=B',
  ]
  return options.filter(() => random.chance(0.3))
}

/** Adds, changes or removes one file: an edit of some bytes is what deltas are good at. */
function change(tree: string, random: Random): void {
  const directory = join(tree, ...Array.from({ length: random.below(3) }, () => random.pick(['usr', 'é', 'x y'])))
  mkdirSync(directory, { recursive: true })
  const path = join(directory, String.fromCharCode(97 + random.below(8)))
  const isFile = lstatSync(path, { throwIfNoEntry: false })?.isFile() === true
  if (isFile && random.chance(0.7)) {
    const bytes = readFileSync(path)
    const at = random.below(bytes.length)
    const end = Math.min(bytes.length, at + random.below(40))
    writeFileSync(path, Buffer.concat([bytes.subarray(0, at), random.bytes(random.below(3000)), bytes.subarray(end)]))
    return
  }
  rmSync(path, { force: true })
  if (random.chance(0.1)) symlinkSync(random.pick(['a', '/usr']), path)
  else
    writeFileSync(path, random.bytes(random.pick([0, 10, 64, 65, 5000, 300_000])), {
      mode: random.pick([0o644, 0o4755]),
    })
}
