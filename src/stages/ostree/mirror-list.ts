/** The text file that lists the mirrors of a repository (ostree.md §3.8). */
import { tryRemoteBase, type RemoteBase } from './remote-urls.js'

export const MAX_MIRROR_LIST = 1024 * 1024
const MAX_MIRRORS = 100

/** The first 100 mirrors in it, in its order. Empty lines, comments, and what is no http or https URL say nothing. */
export function readMirrorList(text: string): RemoteBase[] {
  const mirrors: RemoteBase[] = []
  for (const line of text.split('\n')) {
    const address = line.trim()
    const mirror = address === '' || address.startsWith('#') ? undefined : tryRemoteBase(address)
    if (mirror !== undefined) mirrors.push(mirror)
    if (mirrors.length === MAX_MIRRORS) break
  }
  return mirrors
}
