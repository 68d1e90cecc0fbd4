/** Whether meta.json is still what the repository was opened with. */
import { verityAlgorithmName } from '../../formats/verity/digest.js'
import { loadMetadata, METADATA_FILE } from '../../repository/init.js'
import type { Repository } from '../../repository/repository.js'
import { reasonOf, type Findings } from './findings.js'

/** False if there is none, or none that can be read. */
export function checkMetadata(repository: Repository, findings: Findings): boolean {
  try {
    const metadata = loadMetadata(repository.path)
    if (metadata === undefined) {
      findings.error('metadata-parse-failed', METADATA_FILE, 'it has vanished since the repository was opened')
      return false
    }
    if (metadata.algorithm !== repository.algorithm) {
      const [found, opened] = [metadata.algorithm, repository.algorithm].map(verityAlgorithmName)
      findings.error('metadata-algorithm-mismatch', METADATA_FILE, `expected ${found}, repository opened as ${opened}`)
    }
    return true
  } catch (error) {
    findings.error('metadata-parse-failed', METADATA_FILE, reasonOf(error))
    return false
  }
}
