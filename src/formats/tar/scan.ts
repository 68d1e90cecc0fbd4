/**
 * Finds the entries of a tar in pieces of any size: the grammar of oci.md §2.2.
 *
 * Both directions use it: the splitter over the tar itself, the entry reader over what a splitstream keeps inline. The
 * scanner stops behind the header of each entry; what to do with the content is its user's business.
 */
import { formatError, withContext } from '../../errors.js'
import { Block } from './block.js'
import { readSize, verifyChecksum } from './fields.js'
import { BLOCK_SIZE, EXTENSION_LIMIT, field, flag, paddingOf } from './format.js'
import { EntryHeader, headerFormat, type Extensions } from './header.js'

const extensionKinds = {
  [flag.longName]: { key: 'longName', title: 'GNU long name' },
  [flag.longLink]: { key: 'longLink', title: 'GNU long link' },
  [flag.pax]: { key: 'pax', title: 'pax extended header' },
} as const

type ExtensionKind = (typeof extensionKinds)[keyof typeof extensionKinds]

const noExtensions: Extensions = {}

/** The body of an extension header while it is read. */
interface ExtensionBody {
  readonly bytes: Buffer
  used: number
  readonly kind: ExtensionKind
}

export class TarScanner {
  /** The entry behind whose header the last `scan` stopped; undefined if it ran to the end of its chunk. */
  entry: EntryHeader | undefined
  readonly #block = new Block()
  /** Bytes to step over before the next block. */
  #skip = 0
  #body: ExtensionBody | undefined
  #extensions = noExtensions
  #extensionBytes = 0
  #afterZeroBlock = false
  #ended = false
  /** Bytes of the archive before the chunk at hand. */
  #offset = 0

  /** Whether the end marker was seen; whatever follows it means nothing. */
  get ended(): boolean {
    return this.#ended
  }

  /** Steps over the next `size` bytes: content and padding. */
  skip(size: number): void {
    this.#skip += size
  }

  /** Counts `size` bytes of content that its user took, so that errors name the right place. */
  pass(size: number): void {
    this.#offset += size
  }

  /**
   * Goes on from `start` of `chunk`; returns where it stopped: behind the header of an entry, or at the end.
   * @throws SluiceError for what is not a tar.
   */
  scan(chunk: Buffer, start: number): number {
    this.entry = undefined
    let at = start
    while (at < chunk.length && this.entry === undefined) {
      if (this.#ended) at = chunk.length
      else if (this.#body !== undefined) at = this.#fillBody(this.#body, chunk, at)
      else if (this.#skip > 0) {
        const step = Math.min(this.#skip, chunk.length - at)
        this.#skip -= step
        at += step
      } else {
        at += this.#block.fill(chunk, at)
        if (this.#block.isFull) this.#takeBlock(this.#offset + at - start)
      }
    }
    this.#offset += at - start
    return at
  }

  /**
   * The archive is over. Without an end marker that is fine between two entries, and only there.
   * @throws SluiceError if it was cut.
   */
  end(): void {
    if (this.#ended) return
    if (this.#block.isPartial || this.#body !== undefined || this.#skip > 0 || this.#afterZeroBlock) {
      throw formatError('tar', `unexpected end of archive after ${this.#offset} bytes`)
    }
    this.#requireNothingPending()
  }

  #fillBody(body: ExtensionBody, chunk: Buffer, at: number): number {
    const copied = chunk.copy(body.bytes, body.used, at)
    body.used += copied
    if (body.used === body.bytes.length) this.#finishBody(body.kind, body.bytes)
    return at + copied
  }

  #finishBody(kind: ExtensionKind, bytes: Buffer): void {
    this.#extensions = { ...this.#extensions, [kind.key]: bytes }
    this.#body = undefined
    this.#skip = paddingOf(bytes.length)
  }

  /** The block that is full: a header or zeros. `end` is the offset behind it. */
  #takeBlock(end: number): void {
    this.#block.reset()
    try {
      if (this.#block.isZero) this.#zeroBlock()
      else this.#header()
    } catch (error) {
      throw withContext(error, `header at byte ${end - BLOCK_SIZE}`)
    }
  }

  #zeroBlock(): void {
    this.#ended = this.#afterZeroBlock
    this.#afterZeroBlock = true
    if (this.#ended) this.#requireNothingPending()
  }

  #requireNothingPending(): void {
    if (this.#extensions !== noExtensions) {
      throw formatError('tar', 'extension headers without an entry at the end of the archive')
    }
  }

  #header(): void {
    this.#afterZeroBlock = false
    const block = this.#block.bytes
    verifyChecksum(block, this.#block.sum)
    const format = headerFormat(block)
    const typeflag = block[field.typeflag.at]
    if (typeflag === flag.globalPax) {
      // Ignored, but it takes away the extensions read before it (oci.md §2.2).
      const size = readSize(block)
      checkExtensionSize(size)
      this.#forgetExtensions()
      this.#skip = size + paddingOf(size)
    } else if (format !== 'old' && typeflag in extensionKinds) {
      this.#startBody(extensionKinds[typeflag as keyof typeof extensionKinds], readSize(block))
    } else {
      this.entry = new EntryHeader(block, format, this.#extensions)
      this.#forgetExtensions()
    }
  }

  #startBody(kind: ExtensionKind, size: number): void {
    if (this.#extensions[kind.key] !== undefined) throw formatError('tar', `second ${kind.title} before an entry`)
    this.#extensionBytes += size
    checkExtensionSize(this.#extensionBytes)
    const bytes = Buffer.allocUnsafe(size)
    if (size === 0) this.#finishBody(kind, bytes)
    else this.#body = { bytes, used: 0, kind }
  }

  #forgetExtensions(): void {
    this.#extensions = noExtensions
    this.#extensionBytes = 0
  }
}

function checkExtensionSize(size: number): void {
  if (size > EXTENSION_LIMIT) {
    throw formatError('tar', `extension headers of ${size} bytes, more than the limit of ${EXTENSION_LIMIT}`)
  }
}
