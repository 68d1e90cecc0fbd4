/** The tools that a bench can run, in the order in which they take turns. */
import { findProgram } from '../support/programs.js'
import { cfsctl, sluice } from './composefs.js'
import { podman, skopeo, umoci } from './containers.js'
import { floor } from './floor.js'
import type { Peer } from './peer.js'

/** The floor comes after a tool whose repository it copies. */
const peers: readonly Peer[] = [sluice, cfsctl, skopeo, umoci, podman, floor]

export const peerNames = peers.map(({ name }) => name)

/** The tools of these names that are installed; others are named and left out. */
export function installedPeers(names: readonly string[], say: (text: string) => void): Peer[] {
  return peers.filter(({ name, needs }) => {
    if (!names.includes(name)) return false
    const absent = needs.filter((program) => !program.includes('/') && findProgram(program) === undefined)
    if (absent.length > 0) say(`${name} is left out: ${absent.join(', ')} not installed`)
    return absent.length === 0
  })
}
