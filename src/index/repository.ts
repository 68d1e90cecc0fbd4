/** Repositories: made and opened. */
export { initRepository, type InitOptions, type InitResult } from '../repository/init.js'
export { parseAlgorithmName, type ErofsFormats, type ErofsVersion } from '../repository/metadata.js'
export { Repository, type OpenOptions } from '../repository/repository.js'
