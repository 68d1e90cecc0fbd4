/** Reads a file of results; what is missing or of another kind is told with its place. */
import { readFileSync } from 'node:fs'
import { formatError, ioError, type SluiceError } from '../../src/errors.js'
import type { BenchResults } from './results.js'

/** What a value has to be: a number from 0 up, text, one of these words, a list, a map with values of one shape, or fields. */
type Shape =
  | 'number'
  | 'string'
  | { readonly words: readonly (string | number)[] }
  | { readonly list: Shape }
  | { readonly map: Shape }
  | { readonly fields: Readonly<Record<string, Shape>>; readonly optional?: Readonly<Record<string, Shape>> }

const measurement: Shape = {
  fields: {
    wallSeconds: 'number',
    userSeconds: 'number',
    systemSeconds: 'number',
    peakRssBytes: 'number',
    writtenBytes: 'number',
  },
}

const scenario: Shape = {
  fields: {
    scenario: 'string',
    source: { words: ['registry', 'layout'] },
    corpus: 'string',
    algorithm: { words: ['sha256', 'sha512'] },
    fileSystem: 'string',
    cores: 'number',
    tool: 'string',
    kind: { words: ['first', 'again'] },
    runs: { list: measurement },
  },
  optional: { layerBytes: 'number' },
}

const results: Shape = {
  fields: {
    v: { words: [1] },
    startedAt: 'string',
    host: { fields: { cpu: 'string', cores: 'number', memoryBytes: 'number', kernel: 'string', node: 'string' } },
    tools: { map: 'string' },
    results: { list: scenario },
  },
}

/** @throws SluiceError `SLUICE_NOT_FOUND` or `SLUICE_IO` if it cannot be read, `SLUICE_FORMAT` if it is not one of results. */
export function readResults(path: string): BenchResults {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw ioError(error, `cannot read bench results ${path}`)
  }
  return parseResults(text, path)
}

/** @param name of the file, for errors. */
export function parseResults(text: string, name: string): BenchResults {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw formatError(name, 'not a JSON document', { cause })
  }
  check(value, results, '', name)
  const parsed = value as BenchResults
  for (const [i, { runs }] of parsed.results.entries()) {
    if (runs.length === 0) throw formatError(name, `results[${i}].runs is empty`)
  }
  return parsed
}

function check(value: unknown, shape: Shape, path: string, name: string): void {
  if (shape === 'number') {
    if (typeof value !== 'number' || !(value >= 0)) throw wrong(path, name, 'a number from 0 up')
  } else if (shape === 'string') {
    if (typeof value !== 'string') throw wrong(path, name, 'text')
  } else if ('words' in shape) {
    if (!shape.words.some((word) => word === value)) throw wrong(path, name, shape.words.join(' or '))
  } else if ('list' in shape) {
    if (!Array.isArray(value)) throw wrong(path, name, 'a list')
    value.forEach((item, i) => check(item, shape.list, `${path}[${i}]`, name))
  } else {
    checkFields(value, shape, path, name)
  }
}

function checkFields(
  value: unknown,
  shape: Extract<Shape, { map: Shape } | { fields: unknown }>,
  path: string,
  name: string,
) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(path, name, 'an object')
  const given = new Map<string, unknown>(Object.entries(value))
  const at = (field: string) => (path === '' ? field : `${path}.${field}`)
  if ('map' in shape) {
    for (const [field, item] of given) check(item, shape.map, at(field), name)
    return
  }
  for (const [field, of] of Object.entries(shape.fields)) {
    if (!given.has(field)) throw formatError(name, `missing field ${at(field)}`)
    check(given.get(field), of, at(field), name)
  }
  for (const [field, of] of Object.entries(shape.optional ?? {})) {
    if (given.has(field)) check(given.get(field), of, at(field), name)
  }
}

function wrong(path: string, name: string, wanted: string): SluiceError {
  return formatError(name, `${path === '' ? 'the document' : path} is not ${wanted}`)
}
