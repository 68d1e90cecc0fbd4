/**
 * libIPSec_MB: hashes 8 (SHA-512) or 16 (SHA-256) messages at a time, in the lanes of AVX-512 registers. Of 128 blocks of
 * 4096 bytes it did 1,750 and 1,110 MB per CPU second, Node's `crypto.hash` 480 and 220: one run on busy cores without
 * SHA instructions. 128 or 256 blocks, in two runs, gave 3.7 to 6.5 times Node's.
 *
 * Its structs are filled in by the caller. The offsets are those of the public header intel-ipsec-mb.h of 1.3; no other
 * version is used. It has each function in several variants and puts those for this processor into a table of pointers;
 * the variant that the table points to is called by its name.
 */
import { SluiceError } from '../errors.js'
import { digestLength, type HashAlgorithm } from '../formats/digest.js'
import { hashEach, type HashMessages } from '../formats/verity/digest.js'
import { call } from './libc.js'
import { ffi, openLibrary, type Ffi } from './library.js'
import { addressOf, PinnedBuffer } from './pinned-buffer.js'

const LIBRARY = 'libIPSec_MB'
const FILE = 'libIPSec_MB.so.1'
const VERSION = 0x1_03_00

/**
 * Those for AVX-512. Those for AVX2 did a third to two thirds as much; where the processor has SHA instructions beside it,
 * which Node's hashes make use of, the gain may be none.
 */
const variants = ['avx512_t1', 'avx512_t2'] as const

/** Most messages in the library at a time. */
const BURST = 128

/** Longest message, in bytes, where the library counts them in 16 bits. */
const MAX_MESSAGE = 65_534
/** For SHA-256 it counts blocks in 16 bits, so that 4 MiB would do; this is what the test has. */
const MAX_LONG_MESSAGE = 1024 * 1024 + 64 * 1024

/** struct IMB_MGR, in bytes: where the pointer to `submit_burst` is. It has to begin at a multiple of 64. */
const SUBMIT_BURST = 960
const ALIGNMENT = 64

/** struct IMB_JOB, in words of 32 bits. */
const job = {
  source: 6,
  start: 14,
  length: 16,
  output: 22,
  outputLength: 24,
  cipher: 33,
  direction: 34,
  hash: 35,
  order: 36,
} as const
const NO_CIPHER = 3
const ENCRYPT = 1
const HASH_FIRST = 2
const hashNumber: Readonly<Record<HashAlgorithm, number>> = { sha256: 15, sha512: 17 }

/** Fewer are hashed one by one: a burst takes three calls. Eight blocks took 39 µs (SHA-512), 71 µs one by one. */
const WORTHWHILE = 8

const RTLD_LAZY = 1

/** Hashes messages of at least a byte and as long as the library takes; for one thread. */
class MultiHasher {
  readonly #binding: Ffi
  readonly #variant: string
  readonly #memory: PinnedBuffer
  /** Where in the memory the library's manager is, in which the jobs are. */
  readonly #manager: number
  readonly #words: Uint32Array
  /** Addresses of the jobs of a burst. */
  readonly #jobs = PinnedBuffer.allocate(8 * BURST)
  readonly #output = PinnedBuffer.allocate(BURST * digestLength.sha512)

  constructor(binding: Ffi) {
    this.#binding = binding
    if (this.#call('imb_get_version') !== VERSION) throw unexpected('its version')
    const size = this.#call('imb_get_mb_mgr_size')
    this.#memory = PinnedBuffer.allocate(size + ALIGNMENT)
    const { address, bytes } = this.#memory
    this.#manager = Math.ceil(address / ALIGNMENT) * ALIGNMENT
    const at = this.#manager - address
    this.#words = new Uint32Array(bytes.buffer, bytes.byteOffset + at, size / 4)
    this.#call('imb_set_pointers_mb_mgr', this.#manager, 0, 1)
    this.#call('init_mb_mgr_auto', this.#manager, this.#output.address)
    this.#variant = this.#variantAt(Number(bytes.readBigUInt64LE(at + SUBMIT_BURST)))
  }

  hash(algorithm: HashAlgorithm, messages: readonly Uint8Array[]): Buffer {
    const hashLength = digestLength[algorithm]
    const hashes = Buffer.allocUnsafe(messages.length * hashLength)
    for (let at = 0; at < messages.length; at += BURST) {
      const burst = messages.slice(at, at + BURST)
      this.#run(algorithm, burst)
      this.#output.bytes.copy(hashes, at * hashLength, 0, burst.length * hashLength)
    }
    return hashes
  }

  #run(algorithm: HashAlgorithm, messages: readonly Uint8Array[]): void {
    const { length } = messages
    const { address, bytes } = this.#jobs
    if (this.#call(`get_next_burst_${this.#variant}`, this.#manager, length, address) !== length) {
      throw unexpected('how many jobs it takes')
    }
    messages.forEach((message, i) => {
      const at = (Number(bytes.readBigUInt64LE(8 * i)) - this.#manager) / 4
      this.#fillJob(at, algorithm, message, this.#output.address + i * digestLength[algorithm])
    })
    // Without its checks, for they refuse long messages for SHA-256, too.
    let done = this.#call(`submit_burst_nocheck_${this.#variant}`, this.#manager, length, address)
    // Those that fill no more than a part of the lanes are left.
    while (done < length) {
      const more = this.#call(`flush_burst_${this.#variant}`, this.#manager, length, address)
      if (more === 0) throw unexpected('how many hashes it gives')
      done += more
    }
  }

  #fillJob(at: number, algorithm: HashAlgorithm, message: Uint8Array, output: number): void {
    const words = this.#words
    const put = (field: number, value: number): void => {
      words[at + field] = value
      words[at + field + 1] = value / 2 ** 32
    }
    put(job.source, addressOf(message))
    put(job.start, 0)
    put(job.length, message.length)
    put(job.output, output)
    put(job.outputLength, digestLength[algorithm])
    words[at + job.cipher] = NO_CIPHER
    words[at + job.direction] = ENCRYPT
    words[at + job.hash] = hashNumber[algorithm]
    words[at + job.order] = HASH_FIRST
  }

  #variantAt(submitBurst: number): string {
    const handle = call('dlopen', FILE, RTLD_LAZY)
    const variant = variants.find((name) => call('dlsym', handle, `submit_burst_${name}`) === submitBurst)
    if (variant === undefined) throw unexpected('the processor it is for')
    return variant
  }

  #call(funcName: string, ...args: readonly number[]): number {
    const { I32, I64 } = this.#binding.DataType
    return this.#binding.load({
      library: LIBRARY,
      funcName,
      retType: I32,
      paramsType: args.map(() => I64),
      paramsValue: [...args],
    })
  }
}

function unexpected(what: string): SluiceError {
  return new SluiceError('SLUICE_NATIVE', `${LIBRARY}: ${what} is not what is expected`)
}

let hasher: MultiHasher | false | undefined

/** Looked for once in each thread. */
function usableHasher(): MultiHasher | undefined {
  const binding = ffi()
  if (binding === undefined) return undefined
  hasher ??= open(binding) ?? false
  return hasher === false ? undefined : hasher
}

/** Whether the library is installed and knows its answers, and native code is on. */
export function multiHashUsable(): boolean {
  return usableHasher() !== undefined
}

let hashesLong: boolean | undefined

/** Longest message that `hashTogether` takes, in bytes; asked for the first time in a thread, SHA-256 is tested. */
export function maxMessage(algorithm: HashAlgorithm): number {
  if (algorithm !== 'sha256') return MAX_MESSAGE
  const library = usableHasher()
  hashesLong ??= library !== undefined && knowsLongAnswers(library)
  return hashesLong ? MAX_LONG_MESSAGE : MAX_MESSAGE
}

/**
 * Hashes messages of 1 to `maxMessage` bytes; one by one where the library is missing or cannot be used, and if there are
 * too few messages for it to pay. If their lengths differ much, the longest should come first, as each has a lane to itself.
 */
export const hashTogether: HashMessages = (algorithm, messages) => {
  const library = messages.length < WORTHWHILE ? undefined : usableHasher()
  return library === undefined ? hashEach(algorithm, messages) : library.hash(algorithm, messages)
}

function open(binding: Ffi): MultiHasher | undefined {
  if (process.arch !== 'x64') return undefined
  try {
    if (openLibrary(LIBRARY) === undefined) return undefined
    const opened = new MultiHasher(binding)
    return knowsItsAnswers(opened) ? opened : undefined
  } catch {
    return undefined
  }
}

/** Lengths around which the padding takes one more block of the hash, and whole bursts of the same length. */
function knowsItsAnswers(opened: MultiHasher): boolean {
  const lengths = [1, 55, 56, 64, 111, 112, 119, 120, 128, 256, 4095, MAX_MESSAGE]
  const messages = testMessages([...lengths, ...Array.from({ length: BURST }, () => 4096)])
  return (['sha256', 'sha512'] as const).every((algorithm) => givesHashes(opened, algorithm, messages))
}

/** Lengths around the end of 16 bits, and one that goes far beyond it. */
function knowsLongAnswers(opened: MultiHasher): boolean {
  return givesHashes(opened, 'sha256', testMessages([MAX_LONG_MESSAGE, 131_071, 65_600, 65_536, 65_535, 1]))
}

function givesHashes(opened: MultiHasher, algorithm: HashAlgorithm, messages: readonly Uint8Array[]): boolean {
  return opened.hash(algorithm, messages).equals(hashEach(algorithm, messages))
}

/** Of bytes that repeat after 251, a prime, so that neighbouring blocks differ. A loop over all of them would take 25 ms. */
function testMessages(lengths: readonly number[]): Buffer[] {
  const pattern = Buffer.from(Array.from({ length: 251 }, (_, i) => (i * i * 31) % 251))
  const data = Buffer.alloc(Math.max(...lengths) + BURST, pattern)
  return lengths.map((length, i) => data.subarray(i % BURST, (i % BURST) + length))
}
