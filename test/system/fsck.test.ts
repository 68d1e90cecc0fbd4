/** cfsctl finds the same damage, and is content after a repair and after the pull that follows it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { checkOciRepository, type OciFsckResult } from '../../src/pipelines/fsck.js'
import { repairRepository } from '../../src/pipelines/repair.js'
import { copyOf, damages, needsLock, objectKinds, pulledImage } from '../helpers/damage.js'
import { pullFrom } from '../helpers/pull.js'
import { missingForSluice, ToolRepository } from '../helpers/system-run.js'

const alone = { threads: 0 }

/** Behind the names every tool gives its reason in its own words; directories are read in any order. */
function comparable({ repo, ...oci }: OciFsckResult): unknown {
  const named = (line: string) => line.replace(/^(fsck: (?!missing|image-missing)[\w-]+: [^ ]+(: sha256:\w+)?).*/, '$1')
  const lines = (errors: readonly string[]) => errors.map(named).sort()
  return { ...oci, errors: lines(oci.errors), repo: { ...repo, errors: lines(repo.errors) } }
}

describe('damage', { skip: needsLock.skip || missingForSluice('cfsctl') }, () => {
  for (const [name, damage] of Object.entries(damages)) {
    test(`${name} of each kind of object`, async (t) => {
      const sound = await pulledImage(t)
      for (const [kind, id] of Object.entries(objectKinds(sound))) {
        const repository = await copyOf(t, sound.repository.path)
        const cfsctl = new ToolRepository('cfsctl', repository.path)
        const assertAgreement = async (ok: boolean): Promise<void> => {
          const theirs = await cfsctl.json<OciFsckResult>('oci', 'fsck', '--json')
          assert.equal(theirs.ok, ok, kind)
          assert.deepEqual(comparable(await checkOciRepository(repository, alone)), comparable(theirs), kind)
        }
        damage(repository.objects.path(id))
        await assertAgreement(false)
        await repairRepository(repository, alone)
        await assertAgreement(true)
        await cfsctl.ok('gc', '--dry-run')
        await pullFrom(repository, sound.registry, 'v1', alone)
        await assertAgreement(true)
      }
    })
  }
})
