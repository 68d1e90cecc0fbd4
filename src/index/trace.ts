/** What a run did, for a viewer of traces. */
export { ChromeTrace } from '../flow/chrome-trace.js'
