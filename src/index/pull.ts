/** Images from a source into a repository. */
export type { OnSpan, Span, StageMetrics } from '../flow/meter.js'
export { openOrInit, type InitWhenMissing } from '../pipelines/open-or-init.js'
export type { PullEvent, PullResult, PullStage } from '../pipelines/pull-events.js'
export { pullOci, pullOciImage } from '../pipelines/pull-oci.js'
export type { PullOptions, StorageImport } from '../pipelines/pull-run.js'
export type { ImageSource } from '../stages/fetch/image-source.js'
export { openImageSource, type ImageSourceOptions } from '../stages/fetch/open.js'
