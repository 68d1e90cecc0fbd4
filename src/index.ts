/**
 * The public API of Sluice, by subject. A command loads the subjects it needs: all of them are 170 files, and loading those
 * takes longer than to find that a pull has nothing to do.
 */
export * from './index/values.js'
export * from './index/repository.js'
export * from './index/pull.js'
export * from './index/trace.js'
export * from './index/images.js'
export * from './index/content.js'
export * from './index/ostree.js'
export * from './index/ostree-remotes.js'
export * from './index/ostree-pull.js'
export * from './index/ostree-export.js'
export * from './index/upkeep.js'
export * from './index/gc.js'
export * from './index/stats.js'
export * from './index/host.js'
