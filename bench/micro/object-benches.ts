/** The object store: small files, each hashed, looked up, written and given its name. */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { ioError } from '../../src/errors.js'
import { initRepository, Repository } from '../../src/index.js'
import type { MicroBenchEntry } from './harness.js'

const FILE_BYTES = 10 * 1024
const FILES_AT_A_TIME = 50

/** @param directory on the file system to measure; what is made there is removed again. */
export function objectBenches(directory: string): MicroBenchEntry[] {
  return [objectBench(directory, 'new'), objectBench(directory, 'present')]
}

function objectBench(directory: string, kind: 'new' | 'present'): MicroBenchEntry {
  return {
    name: `objects of 10 KiB, ${kind}`,
    open: async () => {
      const path = temporaryIn(directory)
      await initRepository(path, { algorithm: 'sha512', erofsVersion: 1, insecure: true })
      const repository = await Repository.open(path, { insecure: true })
      const data = Buffer.alloc(FILE_BYTES, 0x5a)
      let next = 0
      const run = () => {
        for (let i = 0; i < FILES_AT_A_TIME; i++) {
          data.writeUInt32LE(kind === 'new' ? next++ : i)
          repository.objects.store(data)
        }
      }
      return {
        items: FILES_AT_A_TIME,
        run,
        // Rounds that follow each other would fill the disk.
        prepare: kind === 'new' ? () => rmSync(repository.objects.directory, { recursive: true, force: true }) : run,
        close: () => {
          repository.close()
          rmSync(path, { recursive: true, force: true })
        },
      }
    },
  }
}

function temporaryIn(directory: string): string {
  try {
    return mkdtempSync(join(directory, 'sluice-bench-'))
  } catch (error) {
    throw ioError(error, `cannot measure the object store in ${directory}`)
  }
}
