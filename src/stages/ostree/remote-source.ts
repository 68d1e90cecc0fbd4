/** Commits in a repository at a URL. */
import { join } from 'node:path'
import { ostreeObjectPath, type MetadataType } from '../../formats/ostree/object-type.js'
import { MAX_CONFIG, MAX_METADATA, MAX_REF } from '../../formats/ostree/limits.js'
import type { OstreeId } from '../../formats/ostree/ostree-id.js'
import { checkRefName } from '../../formats/ostree/ref-name.js'
import { findInSummary, type Summary } from '../../formats/ostree/summary.js'
import { SluiceError, withContext } from '../../errors.js'
import type { Repository } from '../../repository/repository.js'
import { RemoteDeltas } from '../ostree-delta/remote-deltas.js'
import { homeOfUser, userConfigFolder } from '../fetch/config-places.js'
import { Connections } from '../fetch/http/connections.js'
import { HttpClient } from '../fetch/http/client.js'
import { transferSettings, type TransferOptions } from '../fetch/http/transfer-options.js'
import type { TrustedKeys } from '../ostree-verify/verify.js'
import { fetchFiles } from './fetch-files.js'
import type { StoreFilesOptions } from './file-workers.js'
import { parseRefFile } from './local-refs.js'
import { openRemoteClient } from './mirrored-client.js'
import { saysAbsent, type RemoteClient } from './remote-client.js'
import { defaultSubset, loadRemoteSummary } from './remote-summary.js'
import type { OstreeEngine, OstreeSource, ResolvedRef } from './source.js'

export interface RemoteOptions extends TransferOptions {
  /** Default: that of the process. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** False: accept any certificate. */
  readonly tlsVerify?: boolean
  /** Of a summary that is indexed; default: that of this machine's architecture. */
  readonly subset?: string
  /** Where the contents of files and the parts of deltas are, or `mirrorlist=URL`; default: with all the rest. */
  readonly contentUrl?: string
  /** Keys that the summary must be signed by; then only refs that it lists can be pulled. */
  readonly summaryKeys?: TrustedKeys
}

export class RemoteSource implements OstreeSource {
  readonly isRemote = true
  readonly deltas: RemoteDeltas
  readonly #repository: Repository
  readonly #client: RemoteClient
  readonly #contents: RemoteClient
  readonly #summaryKeys: TrustedKeys | undefined
  readonly #connections: Connections
  readonly #subset: string
  #summary: Promise<Summary | undefined> | undefined

  /**
   * @param repository keeps summaries.
   * @param url of the repository, or `mirrorlist=URL` of a list of such, which the first request loads.
   * @throws SluiceError `SLUICE_USAGE` for what is no http or https URL.
   */
  constructor(repository: Repository, url: string, options: RemoteOptions = {}) {
    const { stallTimeoutMs, connectTimeoutMs, retry, userAgent } = transferSettings(options)
    const environment = options.env ?? process.env
    const certificates = userConfigFolder({ home: homeOfUser() })
    this.#repository = repository
    this.#subset = options.subset ?? defaultSubset()
    this.#summaryKeys = options.summaryKeys
    this.#connections = new Connections({
      environment,
      connectTimeoutMs,
      certificateDirectories: [join(certificates, 'certs.d'), '/etc/containers/certs.d'],
    })
    const http = new HttpClient({
      connections: this.#connections,
      insecure: options.tlsVerify === false,
      stallTimeoutMs,
      userAgent,
    })
    const { contentUrl } = options
    this.#client = openRemoteClient(url, http, retry)
    this.#contents = contentUrl === undefined ? this.#client : openRemoteClient(contentUrl, http, retry)
    this.deltas = new RemoteDeltas(this.#client, this.#contents, (signal) => this.summary(signal))
  }

  get description(): string {
    return this.#client.description
  }

  /** What the summary says, else, as nobody signs it, the file of the ref unless the summary must be signed. */
  async resolve(ref: string, signal: AbortSignal): Promise<ResolvedRef> {
    return { commit: await this.#commitOf(ref, signal), branch: ref }
  }

  async #commitOf(ref: string, signal: AbortSignal): Promise<OstreeId> {
    checkRefName(ref)
    const summary = await this.summary(signal)
    const listed = summary === undefined ? undefined : findInSummary(summary, ref)
    if (listed !== undefined) return listed
    if (this.#summaryKeys !== undefined) {
      throw new SluiceError(
        'SLUICE_NOT_FOUND',
        `the signed summary of ${this.description} does not list the ref ${ref}`,
      )
    }
    const file = await this.#client.document(['refs', 'heads', ref], MAX_REF, signal).catch((error: unknown) => {
      throw saysAbsent(error) ? withContext(error, `there is no ref ${ref}`) : error
    })
    return parseRefFile(file.toString('latin1'), `${this.description}/refs/heads/${ref}`)
  }

  async requireSummary(signal: AbortSignal): Promise<void> {
    if (this.#summaryKeys !== undefined) await this.summary(signal)
  }

  /** Loaded once; undefined if the repository has none. */
  async summary(signal: AbortSignal): Promise<Summary | undefined> {
    this.#summary ??= this.#loadSummary(signal)
    return this.#summary
  }

  async #loadSummary(signal: AbortSignal): Promise<Summary | undefined> {
    // A summary is kept under the address that this finds.
    await this.#client.open(signal)
    const demands = { subset: this.#subset, keys: this.#summaryKeys }
    return loadRemoteSummary(this.#repository, this.#client, demands, signal)
  }

  /** The configuration of the repository; undefined if there is none, and so probably no repository. */
  async config(signal: AbortSignal): Promise<Buffer | undefined> {
    return this.#client.optionalDocument(['config'], MAX_CONFIG, signal)
  }

  async metadata(type: MetadataType, id: OstreeId, signal: AbortSignal): Promise<Uint8Array> {
    return this.#client.document(ostreeObjectPath(id, type).split('/'), MAX_METADATA, signal)
  }

  async detachedMetadata(commit: OstreeId, signal: AbortSignal): Promise<Uint8Array | undefined> {
    return this.#client.optionalDocument(ostreeObjectPath(commit, 'commitmeta').split('/'), MAX_METADATA, signal)
  }

  storeFiles(ids: readonly OstreeId[], engine: OstreeEngine, options: StoreFilesOptions): Promise<void> {
    return fetchFiles(this.#contents, ids, engine, options)
  }

  async close(): Promise<void> {
    await this.#connections.destroy()
  }
}

/**
 * @param repository keeps summaries.
 * @param url of the repository, or `mirrorlist=URL` of a list of such, which the first request loads.
 * @throws SluiceError `SLUICE_USAGE` for what is no http or https URL.
 */
export function openRemoteOstree(repository: Repository, url: string, options: RemoteOptions = {}): RemoteSource {
  return new RemoteSource(repository, url, options)
}
