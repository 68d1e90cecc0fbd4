/** Which objects one root alone needs, and which several share. */
import { contentType } from '../../formats/splitstream/format.js'
import type { DigestTable } from '../walk/digest-table.js'
import type { Holder, Holders, ImageNode } from './holders.js'
import { MISSING } from './object-sizes.js'

export interface Amount {
  readonly count: number
  readonly bytes: number
}

/** What an object is to those that refer to it; of two things, the later one here. */
const objectKinds = ['unreferenced', 'image', 'stream', 'document', 'file'] as const
export type ObjectKind = (typeof objectKinds)[number]
const kind = { image: 1, stream: 2, document: 3, file: 4 } as const

/** Of the objects that are there: what is missing has no share. */
export interface HolderShare {
  /** Objects that are contents of files, each once. */
  readonly files: Amount
  /** Files that no other holder needs. */
  readonly uniqueFiles: Amount
  /** Objects of all kinds that nothing else keeps, neither another holder nor a mount. */
  readonly freed: Amount
}

export interface Shares {
  /** In the order of the holders. */
  readonly holders: readonly HolderShare[]
  /** Everything that is there. */
  readonly objects: Amount
  readonly files: Amount
  /** Files of one holder, and of several. */
  readonly uniqueFiles: Amount
  readonly sharedFiles: Amount
  /** What a collection would remove now. */
  readonly unreferenced: Amount
  /** Objects that are referred to and not there. */
  readonly missing: number
  kindOf(object: number): ObjectKind
  /** The first holder that needs the object; undefined if none does. */
  holderOf(object: number): number | undefined
}

const NOBODY = -1
const SEVERAL = -2

/** What is known of each object, by number. */
class Findings {
  readonly kinds: Uint8Array
  /** The one holder that needs it, NOBODY or SEVERAL. */
  readonly owners: Int32Array
  readonly firstHolders: Int32Array
  /** 1 if a mount keeps it. */
  readonly mounted: Uint8Array

  constructor({ holders, mounted }: Holders, table: DigestTable) {
    const length = table.size
    this.kinds = new Uint8Array(length)
    this.owners = new Int32Array(length).fill(NOBODY)
    this.firstHolders = new Int32Array(length).fill(NOBODY)
    this.mounted = new Uint8Array(length)
    for (const [at, holder] of holders.entries()) {
      forEachObject(holder, table, (object, what) => {
        this.#isKind(object, what)
        const owner = this.owners[object]
        if (owner === NOBODY) this.owners[object] = this.firstHolders[object] = at
        else if (owner !== at) this.owners[object] = SEVERAL
      })
    }
    for (const image of mounted) {
      forEachObjectOfImage(image, (object, what) => {
        this.#isKind(object, what)
        this.mounted[object] = 1
      })
    }
  }

  #isKind(object: number, what: number): void {
    if (what > this.kinds[object]) this.kinds[object] = what
  }
}

interface Sum {
  count: number
  bytes: number
}

const none = (): Sum => ({ count: 0, bytes: 0 })

function add(sum: Sum, bytes: number): void {
  sum.count++
  sum.bytes += bytes
}

export function measureShares(graph: Holders, table: DigestTable, sizes: readonly number[]): Shares {
  const { kinds, owners, firstHolders, mounted } = new Findings(graph, table)
  const [objects, files, uniqueFiles, sharedFiles, unreferenced] = Array.from({ length: 5 }, none)
  const holders = graph.holders.map((holder) => ({
    files: sumFiles(holder, table, kinds, sizes),
    uniqueFiles: none(),
    freed: none(),
  }))
  let missing = 0
  for (const [object, size] of sizes.entries()) {
    if (size === MISSING) {
      missing++
      continue
    }
    add(objects, size)
    const owner = owners[object] >= 0 ? holders[owners[object]] : undefined
    if (mounted[object] === 0) {
      if (owner !== undefined) add(owner.freed, size)
      else if (owners[object] === NOBODY) add(unreferenced, size)
    }
    if (kinds[object] !== kind.file) continue
    add(files, size)
    if (owner !== undefined) {
      add(uniqueFiles, size)
      add(owner.uniqueFiles, size)
    } else if (owners[object] === SEVERAL) add(sharedFiles, size)
  }
  return {
    holders,
    objects,
    files,
    uniqueFiles,
    sharedFiles,
    unreferenced,
    missing,
    kindOf: (object) => objectKinds[kinds[object]],
    holderOf: (object) => (firstHolders[object] === NOBODY ? undefined : firstHolders[object]),
  }
}

/** The files of a holder that are there, each once. */
function sumFiles(holder: Holder, table: DigestTable, kinds: Uint8Array, sizes: readonly number[]): Amount {
  const sum = none()
  const isCounted = new Uint8Array(table.size)
  forEachObject(holder, table, (object) => {
    if (isCounted[object] === 1 || kinds[object] !== kind.file || sizes[object] === MISSING) return
    isCounted[object] = 1
    add(sum, sizes[object])
  })
  return sum
}

const documentTypes: readonly string[] = [contentType.manifest, contentType.config]

/** Everything that a collection keeps for the sake of a holder, some of it several times. */
function forEachObject(holder: Holder, table: DigestTable, visit: (object: number, kind: number) => void): void {
  if (holder.image !== undefined) forEachObjectOfImage(holder.image, visit)
  for (const stream of holder.streams) {
    visit(stream.object, kind.stream)
    const what = documentTypes.includes(stream.contentType) ? kind.document : kind.file
    for (const object of stream.content) visit(object, what)
  }
  for (const id of holder.namedImages) visit(table.numberOf(id), kind.image)
}

function forEachObjectOfImage(image: ImageNode, visit: (object: number, kind: number) => void): void {
  visit(image.object, kind.image)
  for (const object of image.content) visit(object, kind.file)
}
