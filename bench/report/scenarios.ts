/** Puts results side by side: one section for each setting, in it one scenario for each image, in it the tools. */
import type { BenchResults, ScenarioResult } from './results.js'

/** The tools of one scenario. */
export interface Scenario {
  /** What tells it from the other scenarios of its section. */
  readonly label: string
  readonly tools: readonly ScenarioResult[]
}

/** The scenarios that are shown together. */
export interface Section {
  /** Such as `first-tmpfs-sha512-2`, for file names. */
  readonly name: string
  /** Such as `first pull, tmpfs, SHA-512, 2 cores`. */
  readonly title: string
  readonly scenarios: readonly Scenario[]
}

const kinds = { first: 'first pull', again: 'pulled again, nothing changed' } as const

/** What was measured of whole images. */
export function sectionsOf({ results }: BenchResults): Section[] {
  const ofImages = results.filter(({ layerBytes }) => layerBytes === undefined)
  return groupBy(ofImages, sectionName).map(([name, members]) => ({
    name,
    title: sectionTitle(members[0]),
    scenarios: scenariosOf(members),
  }))
}

/** What was measured of one layer in several sizes. */
export function memoryResults({ results }: BenchResults): ScenarioResult[] {
  return results.filter(({ layerBytes }) => layerBytes !== undefined)
}

/** A name that is the same for the same scenario of another file of results. */
export function scenarioKey(result: ScenarioResult): string {
  const { scenario, source, corpus, kind, layerBytes = '' } = result
  return [scenario, source, corpus, sectionName(result), kind, layerBytes].join('|')
}

function sectionName({ kind, fileSystem, algorithm, cores }: ScenarioResult): string {
  return `${kind}-${fileSystem}-${algorithm}-${cores}`.replaceAll(/[^\w.-]+/g, '-')
}

function sectionTitle({ kind, fileSystem, algorithm, cores }: ScenarioResult): string {
  const hash = algorithm === 'sha256' ? 'SHA-256' : 'SHA-512'
  return `${kinds[kind]}, ${fileSystem}, ${hash}, ${cores} ${cores === 1 ? 'core' : 'cores'}`
}

function scenariosOf(members: readonly ScenarioResult[]): Scenario[] {
  const scenarios = groupBy(members, scenarioKey).map(([, tools]) => ({ label: imageOf(tools[0]), tools }))
  const distinct = new Set(scenarios.map(({ label }) => label)).size === scenarios.length
  return distinct ? scenarios : scenarios.map(({ tools }) => ({ label: tools[0].scenario, tools }))
}

function imageOf({ corpus, source }: ScenarioResult): string {
  return `${corpus}, from ${source === 'registry' ? 'a registry' : 'a layout'}`
}

/** What others are compared with; undefined if it did not run. */
export function toolOf({ tools }: Scenario, name: string): ScenarioResult | undefined {
  return tools.find(({ tool }) => tool === name)
}

/** In the order in which the keys appear. */
export function groupBy<T>(items: readonly T[], key: (item: T) => string): [string, T[]][] {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(key(item))
    if (group === undefined) groups.set(key(item), [item])
    else group.push(item)
  }
  return [...groups]
}
