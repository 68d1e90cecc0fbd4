/** Bytes of paths, targets and xattrs that all layers of a pull may have to be collected: a header of 1 MiB costs its layer 1 KiB. */
const MOST_TEXT = 64 * 1024 * 1024

/** What is left of them. */
export interface EntryBudget {
  text: number
}

export const newEntryBudget = (): EntryBudget => ({ text: MOST_TEXT })
