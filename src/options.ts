/** The defaults of options, each in this one place, and what bounds them; the documentation is generated from the commands that show them. */
export const defaults = {
  /** Layers at a time. */
  pullConcurrency: 4,
  /** Bytes that the buffers of a run may take. */
  maxMemory: 128 * 1024 * 1024,
  /** Parents of an ostree commit that are pulled with it. */
  ostreeDepth: 0,
  /** Of the largest objects that `stats` tells. */
  largestObjects: 10,
  /** Of a new repository. */
  algorithm: 'sha512',
  erofsVersion: 1,
} as const

/** What `maxMemory` is at least, in bytes: what one layer may hold, and two slabs to get on with. */
export const MIN_MEMORY = 32 * 1024 * 1024
