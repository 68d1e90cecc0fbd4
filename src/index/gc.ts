/** Collection of garbage. */
export {
  collectGarbage,
  gc,
  planGc,
  type GcEvent,
  type GcOptions,
  type GcPlan,
  type GcResult,
} from '../pipelines/gc.js'
