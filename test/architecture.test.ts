/**
 * The house rules, checked from the import statements: data flows from left to right through the folders, each outside
 * library has its place, files stay small.
 */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, posix } from 'node:path'
import { projectRoot } from './helpers/vectors.js'

/** What users of the package can import, too: the command line is one of them. */
const publicApi = ['index.ts', 'formats/index.ts']

/** Which folder of src may import which; each may import itself. `index` is the public API. */
const allowed: Record<string, readonly string[]> = {
  errors: [],
  options: [],
  formats: ['errors'],
  flow: ['errors'],
  native: ['formats', 'errors'],
  repository: ['formats', 'native', 'errors'],
  stages: ['formats', 'native', 'repository', 'flow', 'errors'],
  workers: ['formats', 'native', 'repository', 'stages', 'flow', 'options', 'errors'],
  pipelines: ['formats', 'native', 'repository', 'stages', 'workers', 'flow', 'options', 'errors'],
  index: ['formats', 'native', 'repository', 'stages', 'pipelines', 'flow', 'options', 'errors'],
  cli: ['index', 'options', 'errors'],
}

/** Where an outside library may be imported, as path prefixes below src. */
const places: Record<string, readonly string[]> = {
  'ffi-rs': ['native/'],
  undici: ['stages/fetch/http/'],
  rxjs: ['flow/', 'pipelines/', 'cli/'],
  commander: ['cli/'],
  'cli-progress': ['cli/'],
  'cli-table3': ['cli/'],
}

const maxLines = 500

interface SourceFile {
  readonly path: string
  readonly text: string
  /** As written: './x.js', 'rxjs', 'node:fs'; imports of types alone count too. */
  readonly imports: readonly string[]
}

const importStatement =
  /^(?:import|export)\s+(?:type\s+)?(?:[\w$]+\s*,?\s*)?(?:\*(?:\s+as\s+\w+)?|\{[^}]*\})?\s*from\s+['"]([\w@./:-]+)['"]/gm
const bareImport = /^import\s+['"]([\w@./:-]+)['"]/gm
const dynamicImport = /\bimport\(\s*['"]([\w@./:-]+)['"]\s*\)/g

function importsOf(text: string): string[] {
  return [importStatement, bareImport, dynamicImport].flatMap((pattern) =>
    [...text.matchAll(pattern)].map(([, from = '']) => from),
  )
}

function sourceFiles(folder: string): SourceFile[] {
  return readdirSync(join(projectRoot, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.(ts|js|mjs)$/.test(path))
    .map((path) => {
      const text = readFileSync(join(projectRoot, folder, path), 'utf8')
      return { path, text, imports: importsOf(text) }
    })
}

const source = sourceFiles('src')

function folderOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : path.replace(/\.ts$/, '')
}

/** The file below src that a relative import means. */
function target(path: string, from: string): string {
  return posix.join(dirname(path), from).replace(/\.js$/, '.ts')
}

function packageOf(from: string): string {
  return from
    .split('/')
    .slice(0, from.startsWith('@') ? 2 : 1)
    .join('/')
}

const isInside = (from: string): boolean => from.startsWith('.')
const isOutside = (from: string): boolean =>
  !isInside(from) && !from.startsWith('node:') && !builtinModules.includes(from)

test('folders import only what stands to their left', () => {
  const wrong: string[] = []
  for (const { path, imports } of source) {
    const folder = folderOf(path)
    assert.ok(folder in allowed, `src/${path}: the folder has no place in the house`)
    for (const from of imports.filter(isInside)) {
      const file = target(path, from)
      const to = folder === 'cli' && publicApi.includes(file) ? 'index' : folderOf(file)
      if (to !== folder && !allowed[folder]?.includes(to)) wrong.push(`src/${path} imports ${from}`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('no file imports itself by a detour', () => {
  const edges = new Map(
    source.map(({ path, imports }) => [path, imports.filter(isInside).map((from) => target(path, from))]),
  )
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): string[] | undefined => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path]
    if (done.has(path)) return undefined
    for (const next of edges.get(path) ?? []) {
      const cycle = visit(next, [...trail, path])
      if (cycle !== undefined) return cycle
    }
    done.add(path)
    return undefined
  }
  for (const path of edges.keys()) assert.equal(visit(path, [])?.join(' → '), undefined)
})

test('outside libraries are imported where they belong', () => {
  const wrong = source.flatMap(({ path, imports }) =>
    imports
      .filter((from) => places[packageOf(from)]?.every((place) => !path.startsWith(place)))
      .map((from) => `src/${path} imports ${from}`),
  )
  assert.deepEqual(wrong, [])
})

test('formats are synchronous and do no input or output', () => {
  const wrong: string[] = []
  for (const { path, text, imports } of source.filter((file) => file.path.startsWith('formats/'))) {
    const io = imports.filter((from) => /^(node:)?(fs|net|http|https|child_process|stream)\b/.test(from))
    if (io.length > 0) wrong.push(`src/${path} imports ${io.join(', ')}`)
    const code = text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')
    if (/\b(await|async)\b/.test(code)) wrong.push(`src/${path} is asynchronous`)
  }
  assert.deepEqual(wrong, [])
})

test(`no source file has more than ${maxLines} lines`, () => {
  const long = source.filter(({ text }) => text.split('\n').length - 1 > maxLines).map(({ path }) => path)
  assert.deepEqual(long, [])
})

test('the public API only re-exports', () => {
  const files = source.filter(({ path }) => folderOf(path) === 'index' || publicApi.includes(path))
  assert.ok(files.length > publicApi.length)
  for (const { path, text } of files) {
    const declarations = [...text.matchAll(/^(?:export\s+)?(?:async\s+)?(?:const|let|function|class)\s+\w+/gm)]
    assert.deepEqual(declarations.map(String), [], path)
  }
})

const manifest = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as Record<
  'dependencies' | 'optionalDependencies' | 'devDependencies',
  Record<string, string> | undefined
>

test('the types of the public API need no package that may be missing', () => {
  const declarations = new Map(sourceFiles('dist/src').map((file) => [file.path, file]))
  const reached = new Set(publicApi.map((path) => path.replace(/\.ts$/, '.d.ts')))
  const wrong: string[] = []
  // Grows while it is walked.
  for (const path of reached) {
    for (const from of declarations.get(path)!.imports) {
      if (isInside(from)) reached.add(posix.join(dirname(path), from).replace(/\.js$/, '.d.ts'))
      else if (isOutside(from) && !(packageOf(from) in manifest.dependencies!)) wrong.push(`${path} imports ${from}`)
    }
  }
  assert.ok(reached.size > publicApi.length)
  assert.deepEqual(wrong, [])
})

test('what is imported is declared in package.json, and the reverse', () => {
  const declared = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })
  const development = Object.keys(manifest.devDependencies ?? {})
  // Run as commands, or types only.
  const notImported = (name: string): boolean => name.startsWith('@types/') || /^(typescript|ox\w+(-\w+)?)$/.test(name)

  const packages = (files: readonly SourceFile[]): string[] => [
    ...new Set(files.flatMap(({ imports }) => imports.filter(isOutside).map(packageOf))),
  ]
  const used = packages([...source, ...sourceFiles('bin')])
  const usedInDevelopment = packages(['test', 'bench', 'scripts'].flatMap(sourceFiles))
  const own = 'sluice'

  assert.deepEqual(used.filter((name) => !declared.includes(name) && name !== own).sort(), [], 'used, not declared')
  assert.deepEqual(declared.filter((name) => !used.includes(name)).sort(), [], 'declared, not used')
  assert.deepEqual(
    usedInDevelopment.filter((name) => ![...declared, ...development, own].includes(name)).sort(),
    [],
    'used by tests, benches or scripts, not declared',
  )
  const idle = development.filter((name) => !notImported(name) && !usedInDevelopment.includes(name))
  assert.deepEqual(idle.sort(), [], 'declared for development, not used')
})
