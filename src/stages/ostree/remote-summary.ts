/** The summary of a repository at a URL, kept in the composefs repository for conditional requests (ostree.md §3.2, §4.6). */
import { readFileSync, writeFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { errnoOf, SluiceError, withContext } from '../../errors.js'
import { ostreeContentType } from '../../formats/ostree/commit-stream-format.js'
import { MAX_METADATA } from '../../formats/ostree/limits.js'
import { readSummary, type Summary } from '../../formats/ostree/summary.js'
import { readSummaryCache, writeSummaryCache, type CachedSummary } from '../../formats/ostree/summary-cache.js'
import { readSummaryIndex } from '../../formats/ostree/summary-index.js'
import { makeDirectories } from '../../repository/links.js'
import type { Repository } from '../../repository/repository.js'
import { saysDamaged } from '../../repository/stored-image.js'
import { readDetachedSignatures } from '../ostree-verify/detached-signatures.js'
import { requireSignatures, type TrustedKeys } from '../ostree-verify/verify.js'
import { inlineStream } from './inline-stream.js'
import { refused, type RemoteClient } from './remote-client.js'
import { summaryKey, type RemoteBase } from './remote-urls.js'
import { readInline } from './stored-commit.js'

/** The subset of an indexed summary that is for this machine. */
export function defaultSubset(): string {
  const names: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64', ia32: 'i386' }
  return names[process.arch] ?? process.arch
}

export interface SummaryDemands {
  /** Of an indexed summary. */
  readonly subset: string
  /** What the summary, or its index, must be signed by. */
  readonly keys: TrustedKeys | undefined
}

/**
 * The summary, by an index if there is one; undefined if the repository has none.
 *
 * @throws SluiceError if it cannot be fetched, or a summary of the index is not what that says; `SLUICE_POLICY` if it must
 * be signed and is not, or there is none.
 */
export async function loadRemoteSummary(
  repository: Repository,
  client: RemoteClient,
  { subset, keys }: SummaryDemands,
  signal: AbortSignal,
): Promise<Summary | undefined> {
  const loader = new SummaryLoader(repository, client, keys, signal)
  const summary = (await loader.subsummary(subset)) ?? (await loader.summary())
  if (summary !== undefined) return summary
  if (keys === undefined) return undefined
  throw new SluiceError('SLUICE_POLICY', `${client.description} has no summary, and a signed one is wanted`)
}

/** What is kept, and what it says. */
interface KeptSummary extends CachedSummary {
  readonly parsed: Summary
}

class SummaryLoader {
  readonly #repository: Repository
  readonly #client: RemoteClient
  readonly #trusted: TrustedKeys | undefined
  readonly #signal: AbortSignal

  constructor(repository: Repository, client: RemoteClient, trusted: TrustedKeys | undefined, signal: AbortSignal) {
    this.#repository = repository
    this.#client = client
    this.#trusted = trusted
    this.#signal = signal
  }

  /** The summary of a subset; undefined if there is no index, or the subset is not in it. */
  async subsummary(subset: string): Promise<Summary | undefined> {
    const digest = await this.#listed(subset)
    if (digest === undefined) return undefined
    const name = `ostree-subsummary-${subset}-${summaryKey(this.#client.base)}`
    const cached = await this.#cached(name)
    if (cached?.digest === digest) return cached.parsed
    const packed = await this.#client.document(['summaries', `${digest}.gz`], MAX_METADATA, this.#signal)
    const summary = unpack(packed)
    const actual = createHash('sha256').update(summary).digest('hex')
    if (actual !== digest) {
      throw new SluiceError('SLUICE_DIGEST_MISMATCH', `the summary ${digest} of subset ${subset} is ${actual}`, {
        details: { expected: digest, actual },
      })
    }
    const parsed = parse(summary, this.#client)
    await this.#keep(name, writeSummaryCache('', '', summary))
    return parsed
  }

  /** The digest that the index has for the subset. */
  async #listed(subset: string): Promise<string | undefined> {
    try {
      const { answer, bytes } = await this.#client.get(['summary.idx'], MAX_METADATA, this.#signal)
      if (!answer.succeeded) return undefined
      // Where flatpak has the signature of an index (§2.5).
      const signature = ['summaries', `${createHash('sha256').update(bytes).digest('hex')}.idx.sig`]
      await (
        await this.#signatureCheck('the index of the summary', signature)
      )(bytes)
      const { subsets } = readSummaryIndex(bytes)
      return subsets.find((entry) => entry.subset === subset)?.digest
    } catch (error) {
      if (this.#signal.aborted) throw error
      // As if there were none: the summary itself will tell what is wrong (§3.2).
      return undefined
    }
  }

  async summary(): Promise<Summary | undefined> {
    const check = await this.#signatureCheck('the summary', ['summary.sig'])
    return this.#client.retrying(this.#signal, async (client) => {
      const name = `ostree-summary-${summaryKey(client.base)}`
      const cached = await this.#cachedIf(check, name, client.base)
      const { answer, bytes } = await client.get(['summary'], MAX_METADATA, this.#signal, conditions(cached))
      if (answer.status === 304 && cached !== undefined) return cached.parsed
      if (answer.status === 404 || answer.status === 410) return undefined
      if (!answer.succeeded) throw refused(answer)
      await check(bytes)
      const parsed = parse(bytes, client)
      const payload = writeSummaryCache(answer.header('etag') ?? '', answer.header('last-modified') ?? '', bytes)
      await this.#keep(name, payload)
      this.#rememberOrigin(readSummaryCache(payload), client.base)
      return parsed
    })
  }

  /** What throws `SLUICE_POLICY` for data that the signatures at `path` are not of, if it must be signed. */
  async #signatureCheck(what: string, path: readonly string[]): Promise<(data: Uint8Array) => Promise<void>> {
    const keys = this.#trusted
    if (keys === undefined) return async () => undefined
    const file = await this.#client.optionalDocument(path, MAX_METADATA, this.#signal)
    const signatures = readDetachedSignatures(file)
    return async (data) => {
      await requireSignatures(`${what} of ${this.#client.description}`, { data, signatures, keys })
    }
  }

  /** What is kept of this server, unless `check` refuses it: then it is older than the signatures, and fetched anew. */
  async #cachedIf(
    check: (data: Uint8Array) => Promise<void>,
    name: string,
    base: RemoteBase,
  ): Promise<KeptSummary | undefined> {
    const cached = await this.#cached(name)
    if (cached === undefined || !this.#isFrom(base, cached)) return undefined
    try {
      await check(cached.summary)
      return cached
    } catch (error) {
      if (error instanceof SluiceError && error.code === 'SLUICE_POLICY') return undefined
      throw error
    }
  }

  /** What is kept under a name, if it can be read. */
  async #cached(name: string): Promise<KeptSummary | undefined> {
    try {
      const stream = this.#repository.openStream(name, ostreeContentType.summary)
      try {
        const cached = readSummaryCache(await readInline(stream, name, this.#signal))
        return { ...cached, parsed: readSummary(cached.summary) }
      } finally {
        stream.close()
      }
    } catch (error) {
      if (saysDamaged(error)) return undefined
      throw error
    }
  }

  async #keep(name: string, payload: Buffer): Promise<void> {
    const { objects } = this.#repository
    const content = { size: payload.length, externals: [], pieces: () => [payload] }
    const encode = await inlineStream(objects.algorithm, ostreeContentType.summary, content)
    const { id } = objects.store(Buffer.concat(await encode([])))
    await this.#repository.nameStream(name, id)
  }

  /**
   * Servers that differ in port or scheme share a name, and other tools write under it, too; what one server sent says
   * nothing about another (§3.2).
   */
  #isFrom(base: RemoteBase, cached: CachedSummary): boolean {
    try {
      return readFileSync(this.#originFile(base), 'utf8') === originOf(cached, base)
    } catch (error) {
      if (errnoOf(error) === undefined) throw error
      return false
    }
  }

  #rememberOrigin(cached: CachedSummary, base: RemoteBase): void {
    const file = this.#originFile(base)
    makeDirectories(dirname(file), 0o700, 1)
    writeFileSync(file, originOf(cached, base))
  }

  #originFile(base: RemoteBase): string {
    return join(this.#repository.path, '.sluice/summaries', summaryKey(base))
  }
}

/** Which summary it is, and from where. A digest: queries may hold secrets. */
function originOf({ etag, lastModified, digest }: CachedSummary, { url }: RemoteBase): string {
  return createHash('sha256').update([url.href, etag, lastModified, digest].join('\n')).digest('hex')
}

/** Before it is kept: the server would say of one that came in pieces that it did not change. */
function parse(bytes: Uint8Array, { description }: RemoteClient): Summary {
  try {
    return readSummary(bytes)
  } catch (error) {
    throw withContext(error, `the summary of ${description}`)
  }
}

function conditions(cached: CachedSummary | undefined): Record<string, string> {
  if (cached === undefined) return {}
  if (cached.etag !== '') return { 'if-none-match': cached.etag }
  return cached.lastModified === '' ? {} : { 'if-modified-since': cached.lastModified }
}

function unpack(packed: Uint8Array): Buffer {
  try {
    return gunzipSync(packed, { maxOutputLength: MAX_METADATA })
  } catch (error) {
    throw new SluiceError('SLUICE_COMPRESSION', `the summary of a subset cannot be unpacked: ${String(error)}`, {
      cause: error,
    })
  }
}
