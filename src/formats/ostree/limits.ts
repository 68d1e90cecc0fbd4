/** Sizes beyond which nothing is read, as in libostree (ostree.md §3.8). Bytes. */

/** Metadata objects, summaries and signatures. */
export const MAX_METADATA = 128 * 1024 * 1024
