/**
 * A disk whose power is cut: a file system on a loop device that records every write and every flush
 * (test/faults/shim/block-recorder.c), and images of what such a disk may hold after a cut.
 *
 * A disk with a volatile cache keeps what it was given before the last flush that it answered; of the writes after that it
 * keeps some, in any order. The file system above is the kernel's own, with its journal and its delayed allocation.
 *
 * Not shown are writes that are torn inside, and disks that answer a flush without obeying.
 */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmdirSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { missingForSluice, run, runOk } from './system-run.js'
import { projectRoot } from './vectors.js'

export type FileSystem = 'ext4' | 'xfs'

/** xfs takes no less than 300 MiB; the image has holes. */
const sizes: Readonly<Record<FileSystem, string>> = { ext4: '64M', xfs: '300M' }
const make: Readonly<Record<FileSystem, readonly string[]>> = {
  ext4: ['mkfs.ext4', '-q', '-F', '-b', '4096'],
  xfs: ['mkfs.xfs', '-q', '-f'],
}

/** Why there can be no such disk here; false if there can. */
export function missingForDisk(fileSystem: FileSystem): string | false {
  if (!existsSync('/dev/fuse')) return 'this machine has no /dev/fuse'
  const needs = ['root', 'loop', 'cc', 'losetup', 'unshare', `mkfs.${fileSystem}`]
  return missingForSluice(...needs, ...(fileSystem === 'xfs' ? ['kernel:xfs'] : []))
}

/** Compiles the recorder into `folder`; gives its path. */
export async function compileRecorder(folder: string): Promise<string> {
  const program = join(folder, 'block-recorder')
  await runOk('cc', ['-std=gnu11', '-O2', '-o', program, join(projectRoot, 'test/faults/shim/block-recorder.c')])
  return program
}

export class RecordedDisk {
  readonly mountPoint: string
  readonly #base: string
  readonly #log: string
  readonly #fuse: string
  readonly #recorder: ChildProcess
  #device = ''

  private constructor(folder: string, recorder: ChildProcess) {
    this.mountPoint = join(folder, 'mounted')
    this.#base = join(folder, 'base.img')
    this.#log = join(folder, 'log')
    this.#fuse = join(folder, 'fuse')
    this.#recorder = recorder
  }

  /** Makes a file system in the new directory `folder`, runs `work` on it, and gives what its disk was told. */
  static async record(
    recorder: string,
    folder: string,
    fileSystem: FileSystem,
    work: (disk: RecordedDisk) => Promise<void>,
  ): Promise<DiskLog> {
    const disk = await RecordedDisk.#start(recorder, folder, fileSystem)
    try {
      await disk.#mount()
      await work(disk)
    } finally {
      await disk.#stop()
    }
    return new DiskLog(disk.#base, disk.#log)
  }

  static async #start(recorder: string, folder: string, fileSystem: FileSystem): Promise<RecordedDisk> {
    const [base, image, fuse, log] = ['base.img', 'image', 'fuse', 'log'].map((name) => join(folder, name))
    for (const directory of [folder, fuse, join(folder, 'mounted')]) mkdirSync(directory)
    await runOk('truncate', ['-s', sizes[fileSystem], base])
    const [program, ...args] = make[fileSystem]
    await runOk(program, [...args, base])
    await copyImage(base, image)
    const child = spawn(recorder, [fuse, image, log], { stdio: ['ignore', 'pipe', 'inherit'] })
    await Promise.race([
      once(child.stdout, 'data'),
      once(child, 'exit').then(() => assert.fail('the recorder did not start')),
    ])
    return new RecordedDisk(folder, child)
  }

  async #mount(): Promise<void> {
    this.#device = String(await runOk('losetup', ['--show', '--find', join(this.#fuse, 'disk')])).trim()
    await runOk('mount', [this.#device, this.mountPoint])
  }

  /** Where the log is now: a cut there or later has everything that was synced before. */
  get position(): number {
    return statSync(this.#log).size
  }

  /** Takes everything down, whatever state it is in. */
  async #stop(): Promise<void> {
    await run('umount', [this.mountPoint])
    await run('losetup', ['--detach', this.#device])
    // The device lets go of the file a moment later.
    for (let tries = 0; tries < 100 && (await run('umount', [this.#fuse])).status !== 0; tries++) await sleep(20)
    if (this.#recorder.exitCode === null) {
      const ended = once(this.#recorder, 'exit')
      this.#recorder.kill('SIGKILL')
      await ended
    }
  }
}

interface Write {
  /** On the disk, in bytes. */
  readonly offset: number
  readonly length: number
  /** Where in the log its bytes are. */
  readonly at: number
}

const RECORD_HEAD = 12

export class DiskLog {
  readonly #base: string
  readonly #log: Buffer
  /** A flush is undefined. */
  readonly #records: (Write | undefined)[] = []

  constructor(base: string, log: string) {
    this.#base = base
    this.#log = readFileSync(log)
    for (let at = 0; at < this.#log.length;) {
      const offset = Number(this.#log.readBigUInt64LE(at))
      const length = this.#log.readUInt32LE(at + 8)
      this.#records.push(length === 0 ? undefined : { offset, length, at: at + RECORD_HEAD })
      at += RECORD_HEAD + length
    }
  }

  get length(): number {
    return this.#records.length
  }

  /** How many records there are before this position of the log. */
  recordsBefore(position: number): number {
    const index = this.#records.findIndex((record) => record !== undefined && record.at > position)
    return index < 0 ? this.#records.length : index
  }

  /**
   * Writes to `path` what the disk may hold if its power is cut after `count` records: every write before the last flush,
   * and of the others each with the probability `kept`.
   */
  async cut(path: string, count: number, kept: number): Promise<void> {
    await copyImage(this.#base, path)
    const before = this.#records.slice(0, count)
    const durable = before.lastIndexOf(undefined)
    const fd = openSync(path, 'r+')
    try {
      before.forEach((write, index) => {
        if (write === undefined || (index > durable && Math.random() >= kept)) return
        writeSync(fd, this.#log, write.at, write.length, write.offset)
      })
    } finally {
      closeSync(fd)
    }
  }
}

/** Mounts an image, which recovers the journal, while `work` runs. */
export async function withMounted<T>(image: string, mountPoint: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(mountPoint)
  await runOk('mount', ['-o', 'loop', image, mountPoint])
  try {
    return await work()
  } finally {
    await runOk('umount', [mountPoint])
    rmdirSync(mountPoint)
  }
}

async function copyImage(from: string, to: string): Promise<void> {
  await runOk('cp', ['--sparse=always', from, to])
}
