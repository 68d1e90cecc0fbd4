/** What a run of the macro benches leaves behind: the one JSON form that runner, tables, plots and `compare` share. */

/** One run of one command, as the kernel counted it. */
export interface Measurement {
  wallSeconds: number
  userSeconds: number
  systemSeconds: number
  /** The largest resident set of the process, in bytes. */
  peakRssBytes: number
  /** Bytes the file system holds more than before. */
  writtenBytes: number
}

/** All runs of one tool in one scenario. */
export interface ScenarioResult {
  /** A name that tells this scenario from the others of the file. */
  scenario: string
  source: 'registry' | 'layout'
  corpus: string
  algorithm: 'sha256' | 'sha512'
  fileSystem: string
  cores: number
  tool: string
  /** Into an empty store, or with everything there already. */
  kind: 'first' | 'again'
  /** Of the memory bench only: bytes of the one layer, uncompressed. */
  layerBytes?: number
  runs: Measurement[]
}

export interface BenchResults {
  v: 1
  /** ISO 8601. */
  startedAt: string
  host: { cpu: string; cores: number; memoryBytes: number; kernel: string; node: string }
  /** Tool name to version. */
  tools: Record<string, string>
  results: ScenarioResult[]
}
