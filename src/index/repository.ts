/** Repositories: made and opened. */
export { initRepository, type InitOptions, type InitResult } from '../repository/init.js'
export type { ErofsVersion } from '../formats/erofs/format.js'
export { parseAlgorithmName, type ErofsFormats } from '../repository/metadata.js'
export { Repository, type OpenOptions } from '../repository/repository.js'
