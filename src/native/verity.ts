/** fs-verity of the kernel (repository.md §1.5): the ioctls that enable it on a file and that ask for its digest. */
import { SluiceError } from '../errors.js'
import {
  type HashAlgorithm,
  type ObjectId,
  digestLength,
  objectIdFromBytes,
  verityAlgorithmNumber,
} from '../formats/digest.js'
import { callError, libcAvailable, tryCall } from './libc.js'

// _IOW('f', 133, struct fsverity_enable_arg) and _IOWR('f', 134, struct fsverity_digest), the same on x64 and arm64.
const FS_IOC_ENABLE_VERITY = 0x40806685
const FS_IOC_MEASURE_VERITY = 0xc0046686

const notSupported = new Set(['ENOTTY', 'EOPNOTSUPP'])

/** `busy`: somebody still has the file open for writing. */
export type EnableResult = 'enabled' | 'already-enabled' | 'not-supported' | 'busy'

const busyAttempts = 3
const busyPause = 1

/**
 * Enables fs-verity with 4096-byte blocks, no salt and no signature on a descriptor opened read-only. The kernel reads the
 * whole file. Tries three times, 1 ms apart, while a writer is left. Without native code the answer is `not-supported`.
 */
export function enableVerity(fd: number, algorithm: HashAlgorithm): EnableResult {
  if (!libcAvailable()) return 'not-supported'
  for (let attempt = 1; ; attempt++) {
    const { errno } = tryCall('ioctl', fd, FS_IOC_ENABLE_VERITY, enableArgument(algorithm))
    if (errno === undefined) return 'enabled'
    if (errno === 'EEXIST') return 'already-enabled'
    if (notSupported.has(errno)) return 'not-supported'
    if (errno !== 'ETXTBSY') throw callError('FS_IOC_ENABLE_VERITY', errno)
    if (attempt === busyAttempts) return 'busy'
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, busyPause)
  }
}

/** struct fsverity_enable_arg, 128 bytes; the salt, the signature and what is reserved stay zero. */
function enableArgument(algorithm: HashAlgorithm): Buffer {
  const argument = Buffer.alloc(128)
  argument.writeUInt32LE(1, 0) // version
  argument.writeUInt32LE(verityAlgorithmNumber[algorithm], 4)
  argument.writeUInt32LE(4096, 8) // block size
  return argument
}

export interface VerityMeasurement {
  readonly algorithm: HashAlgorithm
  readonly id: ObjectId
}

/** `unavailable`: there is no native code to ask with, so nothing is known about the file. */
export type MeasureResult = VerityMeasurement | 'missing' | 'not-supported' | 'unavailable'

/** The digest by which the kernel checks every read of this file; throws if it is not one of the two of repositories. */
export function measureVerity(fd: number): MeasureResult {
  if (!libcAvailable()) return 'unavailable'
  const answer = digestArgument()
  const { errno } = tryCall('ioctl', fd, FS_IOC_MEASURE_VERITY, answer)
  if (errno === undefined) return parseMeasurement(answer)
  if (errno === 'ENODATA') return 'missing'
  if (notSupported.has(errno)) return 'not-supported'
  throw callError('FS_IOC_MEASURE_VERITY', errno)
}

const longestDigest = 64

/** struct fsverity_digest: u16 algorithm, u16 size (room going in, length coming out), digest. */
function digestArgument(): Buffer {
  const argument = Buffer.alloc(4 + longestDigest)
  argument.writeUInt16LE(longestDigest, 2)
  return argument
}

/** Decodes struct fsverity_digest as the kernel fills it. */
export function parseMeasurement(answer: Buffer): VerityMeasurement {
  const number = answer.readUInt16LE(0)
  const size = answer.readUInt16LE(2)
  const algorithm = (['sha256', 'sha512'] as const).find((name) => verityAlgorithmNumber[name] === number)
  if (algorithm === undefined || size !== digestLength[algorithm]) {
    throw new SluiceError(
      'SLUICE_UNSUPPORTED',
      `the file has an fs-verity digest of algorithm ${number} with ${size} bytes; only SHA-256 and SHA-512 are in use`,
    )
  }
  return { algorithm, id: objectIdFromBytes(answer.subarray(4, 4 + size)) }
}
