/** What images take, and what they share. */
export {
  measureRepository,
  type LargeObject,
  type RefStats,
  type RepositoryStats,
  type StatsOptions,
} from '../pipelines/stats.js'
