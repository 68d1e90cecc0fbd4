import type { ListedDelta } from '../../formats/ostree/delta-listing.js'
import type { OstreeId } from '../../formats/ostree/ostree-id.js'
import type { Delta } from './apply-delta.js'

/** Where a source keeps its static deltas. */
export interface DeltaSource {
  /** The deltas that lead to a commit, in the order of their list. */
  list(to: OstreeId, signal: AbortSignal): Promise<readonly ListedDelta[]>
  /**
   * The delta that is listed, as it is: undefined if it is not there.
   *
   * @throws SluiceError `SLUICE_DIGEST_MISMATCH` or `SLUICE_FORMAT` if it is not what the list says.
   */
  open(listed: ListedDelta, signal: AbortSignal): Promise<Delta | undefined>
}
