/** Sluice and the reference: tools with the same commands, which fill the same kind of repository. */
import { join } from 'node:path'
import { SluiceError } from '../../src/errors.js'
import { verityAlgorithmName } from '../../src/formats/verity/digest.js'
import { projectRoot } from '../../test/helpers/vectors.js'
import { runProgram } from '../support/programs.js'
import type { Peer, PullTask } from './peer.js'

/** @param pull the words of the command that takes a reference and a tag. */
function composefsPeer(name: string, command: readonly [string, ...string[]], pull: readonly string[]): Peer {
  const [program, ...before] = command
  const words = ({ target }: PullTask, ...rest: string[]) => [...before, '--repo', join(target, 'repository'), ...rest]
  return {
    name,
    needs: [program],
    sources: ['registry', 'layout'],
    again: true,
    composefs: true,
    version: async () => (await runProgram(program, [...before, '--version'])).trim(),
    // fs-verity is left out: not all file systems have it, and the kernel's share is the same for all.
    prepare: (task) =>
      runProgram(
        program,
        words(task, 'init', '--insecure', '--algorithm', verityAlgorithmName(task.algorithm), '--erofs-version', '1'),
      ),
    command: (task) => [program, ...words(task, ...pull, task.reference, task.corpus.name)],
    imageId: async (task) => {
      const inspected = await runProgram(program, words(task, 'oci', 'inspect', task.corpus.name))
      const { composefs_erofs: id } = JSON.parse(inspected) as { composefs_erofs: string | null }
      if (id !== null) return id
      throw new SluiceError('SLUICE_CORRUPT', `${name} pulled ${task.reference} but registered no EROFS image`)
    },
  }
}

export const sluice = composefsPeer(
  'sluice',
  [process.execPath, join(projectRoot, 'bin/sluice.js')],
  ['pull', '--no-tls-verify'],
)

export const cfsctl = composefsPeer('cfsctl', ['cfsctl'], ['oci', 'pull'])
