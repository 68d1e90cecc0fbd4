/** What `ostree inspect` prints. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { sluice } from '../helpers/cli.js'
import { ArchiveWriter } from '../helpers/ostree-archive.js'
import { temporaryDirectory, temporaryRepository } from '../helpers/temporary.js'

/** As cfsctl 0.9.4 prints them. */
const dates: Readonly<Record<string, string>> = {
  '-315619200': '1960-01-01 00:00:00 UTC',
  '-61000000000': '0036-12-26 11:33:20 UTC',
  '-63000000000': '-0027-08-11 08:00:00 UTC',
  '-8334601228800': '-262143-01-01 00:00:00 UTC',
  '-8334601228801': '18446735739108322815',
  '253402300800': '+10000-01-01 00:00:00 UTC',
  '8210266876800': '8210266876800',
}

test('times of commits before 1970, and beyond the calendar', async (t) => {
  const repository = await temporaryRepository(t)
  const directory = join(temporaryDirectory(t), 'archive')
  const archive = new ArchiveWriter(directory)
  const meta = archive.dirmeta({ uid: 0, gid: 0, mode: 0o40755, xattrs: [] })
  const tree = archive.dirtree({ files: [], directories: [] })
  const run = async (...words: string[]) => {
    const { status, stdout, stderr } = await sluice(['--insecure', '--repo', repository.path, 'ostree', ...words])
    assert.equal(status, 0, stderr)
    return stdout
  }
  for (const [seconds, date] of Object.entries(dates)) {
    archive.commit('made', { tree, meta, timestamp: BigInt.asUintN(64, BigInt(seconds)) })
    await run('pull-local', directory, 'made')
    assert.equal(/^date {4}(.*)$/m.exec(await run('inspect', 'made'))?.[1], date)
  }
})
