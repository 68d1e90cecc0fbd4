/** Loop devices: a file as a block device, for kernels before 6.12, which cannot mount EROFS from a file. */
import { closeSync, openSync } from 'node:fs'
import { SluiceError, errnoOf, ioError } from '../errors.js'
import { callError, tryCall } from './libc.js'

const LOOP_CTL_GET_FREE = 0x4c82
const LOOP_CONFIGURE = 0x4c0a

// struct loop_config: u32 descriptor, u32 block size, struct loop_info64 (232 bytes, lo_flags at 52), 64 reserved.
const configSize = 304
const flagsOffset = 8 + 52
const readOnly = 1
const autoClear = 4

// Between asking for a free device and taking it, another process can take it.
const attempts = 16

/** A read-only loop device; it goes away when this descriptor is closed and nothing mounts it. */
export class LoopDevice implements Disposable {
  private constructor(
    readonly path: string,
    private readonly fd: number,
  ) {}

  /** Puts the file behind the descriptor `file` into a free loop device. */
  static attach(file: number): LoopDevice {
    const control = openDevice('/dev/loop-control')
    try {
      for (let attempt = 0; attempt < attempts; attempt++) {
        const free = tryCall('ioctl', control, LOOP_CTL_GET_FREE, 0)
        if (free.errno !== undefined) throw callError('LOOP_CTL_GET_FREE', free.errno)
        const device = LoopDevice.configure(`/dev/loop${free.value}`, file)
        if (device !== undefined) return device
      }
    } finally {
      closeSync(control)
    }
    throw new SluiceError('SLUICE_NATIVE', `no loop device could be taken in ${attempts} attempts`)
  }

  /** Undefined if another process was faster. */
  private static configure(path: string, file: number): LoopDevice | undefined {
    const fd = openDevice(path)
    const config = Buffer.alloc(configSize)
    config.writeUInt32LE(file, 0)
    config.writeUInt32LE(readOnly | autoClear, flagsOffset)
    const { errno } = tryCall('ioctl', fd, LOOP_CONFIGURE, config)
    if (errno === undefined) return new LoopDevice(path, fd)
    closeSync(fd)
    if (errno === 'EBUSY') return undefined
    throw callError('LOOP_CONFIGURE', errno, path)
  }

  [Symbol.dispose](): void {
    closeSync(this.fd)
  }
}

function openDevice(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (error) {
    const errno = errnoOf(error)
    if (errno !== 'EACCES' && errno !== 'ENOENT') throw ioError(error, path)
    throw callError('open', errno, path, 'a loop device needs root and the kernel module "loop"')
  }
}
