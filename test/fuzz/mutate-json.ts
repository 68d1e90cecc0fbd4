/** Documents that are JSON still, but not what they should be. */
import type { Random } from './random.js'

type Json = null | boolean | number | string | Json[] | { [name: string]: Json }

const values: readonly Json[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e300,
  2 ** 53,
  4294967296,
  '',
  '..',
  '../../etc/passwd',
  '/',
  '\0',
  '\ud800',
  'sha256:',
  `sha256:${'0'.repeat(64)}`,
  `sha512:${'a'.repeat(128)}`,
  'sha256:../../../../../../x',
  'md5:d41d8cd98f00b204e9800998ecf8427e',
  'x'.repeat(5000),
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.layer.v1.tar+gzip',
  [],
  [[]],
  {},
  { __proto__: null, constructor: 'x' },
]

const names = ['__proto__', 'constructor', 'toString', 'length', '', 'mediaType', 'size', 'digest', 'layers', 'config']

/** Every array and object in a document, the outer ones first. */
function containers(document: Json): (Json[] | { [name: string]: Json })[] {
  const found: (Json[] | { [name: string]: Json })[] = []
  const queue = [document]
  for (const value of queue) {
    if (typeof value !== 'object' || value === null) continue
    found.push(value)
    queue.push(...Object.values(value))
  }
  return found
}

function change(container: Json[] | { [name: string]: Json }, random: Random, all: readonly Json[]): void {
  const keys = Object.keys(container)
  const key = random.pick([...keys, random.pick(names)])
  const target = container as { [name: string]: Json }
  // A copy: what is put in may be changed next.
  const value = () => structuredClone(random.pick(values))
  const put = (value: Json) =>
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true })
  switch (random.below(5)) {
    case 0:
      if (Array.isArray(container)) container.splice(random.below(container.length), 1)
      else Reflect.deleteProperty(target, key)
      return
    case 1:
      if (!Array.isArray(container)) put(structuredClone(random.pick(all)))
      else if (container.length > 0) container.push(structuredClone(random.pick(container)))
      return
    case 2:
      if (Array.isArray(container)) container.push(value())
      else put(value())
      return
    default:
      if (Array.isArray(container) && !/^\d+$/.test(key)) container[random.below(container.length)] = value()
      else put(value())
  }
}

/** Changes some fields; undefined if `bytes` are no JSON, or too large to be worth it. */
export function mutateJson(bytes: Buffer, random: Random): Buffer | undefined {
  if (bytes.length > 20_000) return undefined
  let document: Json
  try {
    document = JSON.parse(bytes.toString('utf8')) as Json
  } catch {
    return undefined
  }
  for (let left = 1 + random.length(4); left > 0; left--) {
    const all = containers(document)
    if (all.length === 0) return undefined
    change(random.pick(all), random, all)
  }
  return Buffer.from(JSON.stringify(document))
}
