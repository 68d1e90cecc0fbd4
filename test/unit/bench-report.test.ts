/** Bench results: what is refused, the statistics, the comparison, tables and plots. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { compareResults, slower } from '../../bench/report/compare.js'
import { parseResults, readResults } from '../../bench/report/parse-results.js'
import type { BenchResults, Measurement, ScenarioResult } from '../../bench/report/results.js'
import { sectionsOf } from '../../bench/report/scenarios.js'
import { formatNumber, ratioOf, spreadOf } from '../../bench/report/statistics.js'
import { ticksUpTo } from '../../bench/report/svg.js'
import { memoryTable, sectionTable } from '../../bench/report/tables.js'
import { writeReport } from '../../bench/report/write-report.js'
import { temporaryDirectory } from '../helpers/temporary.js'
import { projectRoot } from '../helpers/vectors.js'

const MIB = 1024 * 1024

function runs(wallSeconds: readonly number[], peakMib = 100): Measurement[] {
  return wallSeconds.map((wall) => ({
    wallSeconds: wall,
    userSeconds: wall,
    systemSeconds: wall / 2,
    peakRssBytes: peakMib * MIB,
    writtenBytes: 10 * MIB,
  }))
}

function result(tool: string, fields: Partial<ScenarioResult> = {}): ScenarioResult {
  return {
    scenario: 'os-registry',
    source: 'registry',
    corpus: 'os',
    algorithm: 'sha512',
    fileSystem: 'tmpfs',
    cores: 2,
    tool,
    kind: 'first',
    runs: runs([4, 6, 5]),
    ...fields,
  }
}

function resultsOf(...results: ScenarioResult[]): BenchResults {
  return {
    v: 1,
    startedAt: '2026-01-01T00:00:00Z',
    host: { cpu: 'A & B <fast>', cores: 2, memoryBytes: 8 * 1024 * MIB, kernel: '6.12', node: 'v20.20.0' },
    tools: { sluice: '0.1.0', cfsctl: '0.9.4' },
    results,
  }
}

const both = resultsOf(
  result('sluice', { runs: runs([2, 3, 2.5], 90) }),
  result('cfsctl'),
  result('sluice', { scenario: 'os-layout', source: 'layout', runs: runs([1, 1, 1]) }),
  result('sluice', { kind: 'again', runs: runs([0.2]) }),
)

/** The results with one value replaced; `undefined` removes it. */
function broken(path: readonly (string | number)[], value: unknown): string {
  const copy = structuredClone(both) as unknown as Record<string | number, unknown>
  let at = copy
  for (const step of path.slice(0, -1)) at = at[step] as Record<string | number, unknown>
  at[path.at(-1)!] = value
  return JSON.stringify(copy)
}

test('results are read as they were written', () => {
  const withLayer = resultsOf(result('sluice', { layerBytes: 64 * MIB }))
  for (const each of [both, withLayer]) assert.deepEqual(parseResults(JSON.stringify(each), 'x.json'), each)
})

test('what is wrong with results is told with its place', () => {
  const said = (text: string, message: string) =>
    assert.throws(() => parseResults(text, 'x.json'), { code: 'SLUICE_FORMAT', message })
  said('{', 'x.json: not a JSON document')
  said('[]', 'x.json: the document is not an object')
  said(broken(['v'], 2), 'x.json: v is not 1')
  said(broken(['startedAt'], undefined), 'x.json: missing field startedAt')
  said(broken(['host', 'cores'], 'two'), 'x.json: host.cores is not a number from 0 up')
  said(broken(['tools', 'cfsctl'], 9), 'x.json: tools.cfsctl is not text')
  said(broken(['results'], {}), 'x.json: results is not a list')
  said(broken(['results', 1, 'kind'], 'twice'), 'x.json: results[1].kind is not first or again')
  said(broken(['results', 1, 'runs'], []), 'x.json: results[1].runs is empty')
  said(
    broken(['results', 0, 'runs', 2, 'wallSeconds'], -1),
    'x.json: results[0].runs[2].wallSeconds is not a number from 0 up',
  )
  said(broken(['results', 0, 'layerBytes'], '64M'), 'x.json: results[0].layerBytes is not a number from 0 up')
  assert.throws(() => readResults('/nonexistent/x.json'), { code: 'SLUICE_NOT_FOUND' })
})

test('medians and ratios', () => {
  assert.deepEqual(spreadOf([5, 1, 3]), { median: 3, min: 1, max: 5 })
  assert.deepEqual(spreadOf([10, 1, 3, 4]), { median: 3.5, min: 1, max: 10 })
  assert.deepEqual(ratioOf(spreadOf([4, 6, 5]), spreadOf([2, 2.5, 2])), { median: 2.5, min: 1.6, max: 3 })
  assert.equal(ratioOf(spreadOf([1]), spreadOf([0, 1, 1])), undefined)
  assert.deepEqual([1234.5, 99.96, 12.34, 4.715, 0.5, 0.00345, 0].map(formatNumber), [
    '1235',
    '100.0',
    '12.3',
    '4.71',
    '0.50',
    '0.0034',
    '0.00',
  ])
})

test('axes end at or above the greatest value', () => {
  assert.deepEqual(ticksUpTo(39.5), [0, 10, 20, 30, 40])
  assert.deepEqual(ticksUpTo(60), [0, 10, 20, 30, 40, 50, 60])
  for (const max of [0, 0.003, 0.7, 1, 1.01, 7, 99, 100, 12_345]) {
    const ticks = ticksUpTo(max)
    assert.ok(ticks.at(-1)! >= max && ticks.length <= 8 && ticks.length >= 2, `${max}: ${ticks.join(' ')}`)
  }
})

test('each section has its scenarios, each scenario its tools, compared with the reference', () => {
  const sections = sectionsOf(both)
  assert.deepEqual(
    sections.map(({ name, title, scenarios }) => [name, title, scenarios.map(({ label }) => label)]),
    [
      ['first-tmpfs-sha512-2', 'first pull, tmpfs, SHA-512, 2 cores', ['os, from a registry', 'os, from a layout']],
      ['again-tmpfs-sha512-2', 'pulled again, nothing changed, tmpfs, SHA-512, 2 cores', ['os, from a registry']],
    ],
  )
  assert.deepEqual(sectionTable(sections[0], 'cfsctl').rows, [
    ['os, from a registry', 'sluice', '3', '2.50', '2.00–3.00', '2.00×', '3.75', '2.00×', '90.0', '10.0'],
    ['', 'cfsctl', '3', '5.00', '4.00–6.00', '1.00×', '7.50', '1.00×', '100', '10.0'],
    ['os, from a layout', 'sluice', '3', '1.00', '1.00–1.00', '', '1.50', '', '100', '10.0'],
  ])
})

const byLayer = resultsOf(
  ...[16, 1, 4].map((factor) =>
    result('sluice', { scenario: `memory ${factor}`, layerBytes: factor * 64 * MIB, runs: runs([1], 160 + factor) }),
  ),
)

test('memory is shown by the size of the layer, apart from the scenarios', () => {
  assert.deepEqual(sectionsOf(byLayer), [])
  assert.equal(memoryTable(both), undefined)
  assert.deepEqual(memoryTable(byLayer)?.rows, [
    ['sluice', '64.0', '161', '161–161', '1.00×'],
    ['', '256', '164', '164–164', '1.02×'],
    ['', '1024', '176', '176–176', '1.09×'],
  ])
})

test('a comparison tells what is slower, and what only one file has', () => {
  const after = resultsOf(
    result('sluice', { runs: runs([2.75, 3, 3], 90) }),
    result('cfsctl', { runs: runs([5, 5, 5]) }),
    result('skopeo'),
  )
  const compared = compareResults(both, after)
  assert.deepEqual(
    compared.comparisons.map(({ tool, ratios }) => [tool, ratios.wall?.median, ratios.memory?.median]),
    [
      ['sluice', 1.2, 1],
      ['cfsctl', 1, 1],
    ],
  )
  assert.deepEqual(compared.comparisons[0].ratios.wall, { median: 1.2, min: 2.75 / 3, max: 1.5 })
  assert.deepEqual(compared.onlyBefore, ['os-layout, first, sluice', 'os-registry, again, sluice'])
  assert.deepEqual(compared.onlyAfter, ['os-registry, first, skopeo'])
  assert.deepEqual(
    slower(compared.comparisons, 'wall', 1.1).map(({ tool }) => tool),
    ['sluice'],
  )
  assert.deepEqual(slower(compared.comparisons, 'wall', 1.2), [])
  assert.deepEqual(slower(compared.comparisons, 'memory', 1.1), [])
  assert.throws(() => compareResults(both, byLayer), { code: 'SLUICE_USAGE' })
})

/** The elements of an XML document, checked to be nested; nothing but what plots are made of is understood. */
function elementsOf(xml: string): string[] {
  const open: string[] = []
  const seen: string[] = []
  const rest = xml.replaceAll(
    /<(\/?)(\w+)((?: [\w:-]+="[^"<&]*(?:&(?:amp|lt|gt|quot);[^"<&]*)*")*)(\/?)>/g,
    (_, end, name, __, empty) => {
      if (end === '/') assert.equal(open.pop(), name)
      else {
        seen.push(name)
        if (empty === '') open.push(name)
      }
      return ''
    },
  )
  assert.deepEqual(open, [], 'elements left open')
  assert.doesNotMatch(rest.replaceAll(/&(amp|lt|gt|quot);/g, ''), /[<>&]|NaN|undefined|Infinity/)
  assert.doesNotMatch(xml, /NaN|undefined|Infinity/)
  return seen
}

test('a report is a page of Markdown and well-formed plots that it shows', (t) => {
  const directory = join(temporaryDirectory(t), 'made', 'here')
  const odd = result('a <tool> & "co"', { corpus: 'x\u0001<&>' })
  const files = writeReport({ ...both, results: [...both.results, odd, ...byLayer.results] }, directory)
  assert.deepEqual(readdirSync(directory).sort(), [...files].sort())
  const page = readFileSync(join(directory, 'report.md'), 'utf8')
  const plots = files.filter((file) => file.endsWith('.svg'))
  assert.deepEqual(plots, [
    ...['first', 'again'].flatMap((kind) =>
      ['wall', 'cpu', 'memory'].map((what) => `${kind}-tmpfs-sha512-2-${what}.svg`),
    ),
    'memory-by-layer.svg',
  ])
  for (const file of plots) {
    assert.ok(page.includes(`](${file})`), file)
    const elements = elementsOf(readFileSync(join(directory, file), 'utf8'))
    assert.deepEqual(elements.slice(0, 3), ['svg', 'title', 'rect'], 'the background comes first')
  }
  const bars = elementsOf(readFileSync(join(directory, plots[0]), 'utf8')).filter((name) => name === 'rect')
  assert.equal(bars.length, 1 + 4, 'the background, and a bar for each tool of each scenario')
  const line = readFileSync(join(directory, 'memory-by-layer.svg'), 'utf8')
  assert.equal(elementsOf(line).filter((name) => name === 'circle').length, 3)
  assert.throws(() => writeReport(both, join(directory, 'report.md')), { code: 'SLUICE_IO' })
})

/** Runs `bench compare` in a process of its own. */
function compareFiles(t: TestContext, args: readonly string[]) {
  const directory = temporaryDirectory(t)
  const paths = [both, resultsOf(result('sluice', { runs: runs([3, 3, 3]) }))].map((results, i) => {
    const path = join(directory, `${i}.json`)
    writeFileSync(path, JSON.stringify(results))
    return path
  })
  const url = new URL('../../bench/report/commands.js', import.meta.url).href
  const script = `
    const { compareCommand } = await import(${JSON.stringify(url)})
    await compareCommand().parseAsync(${JSON.stringify([...paths, ...args])}, { from: 'user' })`
  return spawnSync(process.execPath, ['--input-type=module', '--eval', script], { cwd: projectRoot, encoding: 'utf8' })
}

test('bench compare fails above the limit only', (t) => {
  const told = compareFiles(t, [])
  assert.equal(told.status, 0, told.stderr)
  assert.match(told.stdout, /os-registry +first +sluice +1\.20× \(1\.00–1\.50\)/)
  const worse = compareFiles(t, ['--fail-above', '1.1'])
  assert.equal(worse.status, 1, worse.stderr)
  assert.match(worse.stderr, /Wall time of sluice, os-registry, first: 1\.20× of what it was/)
  assert.equal(compareFiles(t, ['--fail-above', '1.3']).status, 0)
  assert.equal(compareFiles(t, ['--fail-above', '1.15', '--metric', 'memory']).status, 0)
})
