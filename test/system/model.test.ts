/**
 * Random operations of both tools on one repository, against a model in memory: nothing that is tagged is ever missing, and
 * nothing else is left after a collection. SLUICE_MODEL gives the number of operations (50), SLUICE_SEED repeats a run.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { layerTar } from '../helpers/pull.js'
import { writeLayout } from '../helpers/layout-images.js'
import { learnClosure, RepositoryModel, tagsOf, type ImageClosure } from '../helpers/repository-model.js'
import { missingForSluice, scratchFolder, toolCommand, ToolRepository } from '../helpers/system-run.js'

const operations = Number(process.env['SLUICE_MODEL'] ?? 50)
const seed = Number(process.env['SLUICE_SEED'] ?? Date.now() % 1_000_000)
const LONGEST_RUN_MS = 600

/** Images that share layers, and layers that share files. */
const [base, more, other, large] = [
  layerTar('base', [10, 64, 65, 5000]),
  layerTar('more', [70, 900, 300_000]),
  layerTar('other', [70, 4096, 4097]),
  layerTar('large', [1_500_000, 65]),
]
const images = new Map([
  ['a', [base]],
  ['b', [base, more]],
  ['c', [base, more, other]],
  ['d', [other, large]],
  ['e', [base, large]],
])
const tags = ['one', 'two', 'three', 'four', 'five']

/** mulberry32: the same numbers for the same seed. */
function generator(state: number): (below: number) => number {
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return (((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below
  }
}

class Play {
  readonly #sluice: ToolRepository
  readonly #layout: string
  readonly #closures: ReadonlyMap<string, ImageClosure>
  readonly #model: RepositoryModel
  readonly #random: (below: number) => number
  readonly done: Record<string, number> = {}

  constructor(
    repository: ToolRepository,
    layout: string,
    closures: ReadonlyMap<string, ImageClosure>,
    random: (below: number) => number,
  ) {
    this.#sluice = repository
    this.#layout = layout
    this.#closures = closures
    this.#model = new RepositoryModel(repository.path)
    this.#random = random
  }

  async step(): Promise<void> {
    const kinds = ['pull', 'pull', 'pull', 'tag', 'untag', 'untag', 'gc', 'kill', 'damage'] as const
    const kind = this.#pick(kinds)
    await this[kind]()
    this.done[kind] = (this.done[kind] ?? 0) + 1
    this.#model.checkNothingLost()
  }

  async pull(): Promise<void> {
    const [image, tag] = [this.#pick([...images.keys()]), this.#pick(tags)]
    await this.#either().ok('oci', 'pull', this.#reference(image), tag)
    this.#model.tags.set(tag, this.#closures.get(image)!)
  }

  async tag(): Promise<void> {
    const from = this.#pickTag()
    if (from === undefined) return
    const closure = this.#model.tags.get(from)!
    const tag = this.#pick(tags)
    await this.#either().ok('oci', 'tag', closure.manifest, tag)
    this.#model.tags.set(tag, closure)
  }

  async untag(): Promise<void> {
    const tag = this.#pickTag()
    if (tag === undefined) return
    await this.#either().ok('oci', 'untag', tag)
    this.#model.tags.delete(tag)
  }

  async gc(): Promise<void> {
    await this.#either().ok('gc')
    this.#model.checkNothingLeft()
    await this.#isSound()
  }

  /** Sluice is killed in the middle of a pull: its tag is there or not, and everything else as it was. */
  async kill(): Promise<void> {
    const [image, tag] = [this.#pick([...images.keys()]), this.#pick(tags)]
    const [command, ...before] = toolCommand('sluice')
    const args = [...before, '--repo', this.#sluice.path, 'pull', this.#reference(image), tag]
    const child = spawn(command, args, { stdio: 'ignore' })
    const ended = once(child, 'close')
    await Promise.race([ended, sleep(this.#random(LONGEST_RUN_MS))])
    child.kill('SIGKILL')
    await ended
    const closure = this.#closures.get(image)!
    if (tagsOf(this.#sluice.path).get(tag) === closure.manifest) this.#model.tags.set(tag, closure)
    await this.#isSound()
  }

  /** A byte of an object changes: the check names it, the repair takes away what needs it and nothing else, a pull mends. */
  async damage(): Promise<void> {
    const objects = [...new Set([...this.#model.tags.values()].flatMap((closure) => closure.objects))]
    if (objects.length === 0) return
    const id = this.#pick(objects)
    const path = join(this.#sluice.path, 'objects', id.slice(0, 2), id.slice(2))
    const content = readFileSync(path)
    content[Math.floor(this.#random(content.length))] ^= 1
    writeFileSync(path, content)
    const { status, stdout } = await this.#sluice.run('fsck')
    assert.notEqual(status, 0)
    assert.ok(stdout.toString().includes(id.slice(2)), `fsck does not name ${id}:\n${stdout.toString()}`)
    await this.#sluice.run('fsck', '--repair')
    await this.#isSound()
    for (const [tag, closure] of this.#model.tags) {
      if (!closure.objects.includes(id)) continue
      assert.equal(tagsOf(this.#sluice.path).has(tag), false, `${tag} needs the damaged ${id}`)
      const image = [...this.#closures].find(([, each]) => each === closure)![0]
      await this.#either().ok('oci', 'pull', this.#reference(image), tag)
    }
  }

  /** Both tools find nothing to say. */
  async #isSound(): Promise<void> {
    for (const repository of [this.#sluice, this.#sluice.other]) await repository.ok('fsck')
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.#random(items.length))]
  }

  #pickTag(): string | undefined {
    return this.#model.tags.size === 0 ? undefined : this.#pick([...this.#model.tags.keys()])
  }

  #either(): ToolRepository {
    return this.#random(2) < 1 ? this.#sluice : this.#sluice.other
  }

  #reference(image: string): string {
    return `oci:${this.#layout}:${image}`
  }
}

test(
  `${operations} random operations of two tools on one repository, seed ${seed}`,
  { skip: missingForSluice('cfsctl', 'skopeo') },
  async (t) => {
    const scratch = scratchFolder('model')
    const layout = join(scratch, 'layout')
    writeLayout(layout, images)
    const closures = new Map<string, ImageClosure>()
    mkdirSync(join(scratch, 'alone'))
    for (const image of images.keys()) {
      const alone = await ToolRepository.init('sluice', join(scratch, 'alone', image))
      await alone.ok('pull', `oci:${layout}:${image}`, image)
      closures.set(image, learnClosure(alone.path))
    }
    const play = new Play(await ToolRepository.init('sluice', join(scratch, 'repo')), layout, closures, generator(seed))
    for (let i = 0; i < operations; i++) {
      try {
        await play.step()
      } catch (error) {
        throw new Error(`operation ${i} of seed ${seed}`, { cause: error })
      }
    }
    t.diagnostic(JSON.stringify(play.done))
  },
)
