/** Opens the source that an image reference names. */
import { realpath } from 'node:fs/promises'
import {
  parseReference,
  parseReferenceOrName,
  type BareName,
  type ImageReference,
  type PathTransport,
} from '../../formats/oci/reference.js'
import type { StorageOptions } from '../containers-storage/storage-image.js'
import { transferSettings, type TransferOptions } from './http/transfer-options.js'
import type { ImageSource } from './image-source.js'
import { directoryLayoutFiles, type LayoutFiles } from './layout-files.js'
import { OciLayoutSource } from './oci-layout.js'
import { enforcePolicy, loadPolicy, pathScopes, policyPaths, registryScopes, storageScopes } from './policy.js'
import { homeOfUser, userConfigFolder, type ConfigPlaces } from './config-places.js'

/** Every option has a default, so `{}` behaves as other container tools on the host do. */
export interface ImageSourceOptions extends TransferOptions {
  readonly signal?: AbortSignal
  /** Default: that of the process. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Default: the home directory of the user. */
  readonly home?: string
  /** Default: `/etc`. */
  readonly etc?: string
  /** Take names without a transport, and look in registries.conf for what they mean. */
  readonly bareNames?: boolean
  /** Refuse in layouts what the reference refuses (oci.md §1.3). */
  readonly parity?: boolean
  /** False: accept any certificate and plain http; true: never; default: as registries.conf says. */
  readonly tlsVerify?: boolean
  /** Empty ones count as none. */
  readonly credentials?: { readonly username: string; readonly password: string }
  /** Where to look for images of `containers-storage:`. */
  readonly storage?: Pick<StorageOptions, 'storageRoot' | 'additionalStores' | 'holdLock' | 'onWait'>
  /** Looked at before the usual files. */
  readonly authFile?: string
  /** In place of the usual `certs.d` folders. */
  readonly certDir?: string
  /** In place of the usual `policy.json` files. */
  readonly policyFile?: string
}

/**
 * Opens the source of `text`. Nothing is fetched yet, but an archive is indexed.
 *
 * @throws SluiceError `SLUICE_USAGE` for what is no reference, `SLUICE_POLICY` for what policy.json or registries.conf
 *   forbids, `SLUICE_CONFIG` for configuration files that cannot be used.
 */
export async function openImageSource(text: string, options: ImageSourceOptions = {}): Promise<ImageSource> {
  const places: ConfigPlaces = {
    environment: options.env ?? process.env,
    home: options.home ?? homeOfUser(),
    etc: options.etc ?? '/etc',
  }
  const reference = options.bareNames === true ? parseReferenceOrName(text) : parseReference(text)
  switch (reference.transport) {
    case 'oci':
    case 'oci-archive':
    case 'dir':
      return openLayout(reference, places, options)
    case 'docker':
    case 'bare':
      return openRegistryImage(reference, places, options)
    case 'containers-storage':
      return openStorage(reference.text, reference.rest, places, options)
  }
}

async function openStorage(
  text: string,
  name: string,
  places: ConfigPlaces,
  options: ImageSourceOptions,
): Promise<ImageSource> {
  const [{ openStorageImage }, { StorageSource }] = await Promise.all([
    import('../containers-storage/open-storage-image.js'),
    import('./storage-source.js'),
  ])
  const policy = await findPolicy(places, options)
  const { environment: env } = places
  const image = await openStorageImage(name, {
    env,
    ...options.storage,
    ...(options.signal && { signal: options.signal }),
  })
  try {
    if (policy !== undefined) {
      for (const scopes of storageScopes(image)) enforcePolicy(policy, 'containers-storage', scopes, text)
    }
    return new StorageSource(image, text)
  } catch (error) {
    image.close()
    throw error
  }
}

async function openLayout(
  { transport, path, tag }: Extract<ImageReference, { transport: PathTransport }>,
  places: ConfigPlaces,
  options: ImageSourceOptions,
): Promise<ImageSource> {
  const description = `${transport}:${path}${tag === undefined ? '' : `:${tag}`}`
  const policy = await findPolicy(places, options)
  if (policy !== undefined) {
    const resolved = await realpath(path).catch(() => path)
    enforcePolicy(policy, transport, pathScopes(resolved, tag), description)
  }
  const signal = options.signal ?? new AbortController().signal
  const files = await openFiles[transport](path, signal)
  return new OciLayoutSource(files, description, { ...(tag !== undefined && { tag }), parity: options.parity ?? false })
}

/** What few need is loaded for those. */
const openFiles = {
  oci: directoryLayoutFiles,
  'oci-archive': async (path: string, signal: AbortSignal): Promise<LayoutFiles> => {
    const { openArchiveFiles } = await import('./oci-archive.js')
    return openArchiveFiles(path, signal)
  },
  dir: async (path: string, signal: AbortSignal): Promise<LayoutFiles> => {
    const { directoryImageFiles } = await import('./directory-image.js')
    return directoryImageFiles(path, signal)
  },
}

async function openRegistryImage(
  reference: Extract<ImageReference, { transport: 'docker' }> | BareName,
  places: ConfigPlaces,
  options: ImageSourceOptions,
): Promise<ImageSource> {
  // The HTTP stack takes a tenth of a second to load: only for those who need it.
  const [{ openRegistry }, { resolveShortName }, { loadRegistriesConf }] = await Promise.all([
    import('./registry/open-registry.js'),
    import('./registry/endpoints.js'),
    import('./registry/load-registries-conf.js'),
  ])
  const conf = await loadRegistriesConf(places)
  const names = reference.transport === 'bare' ? resolveShortName(reference.parts, conf) : [reference.name]
  const policy = await findPolicy(places, options)
  if (policy !== undefined) {
    for (const name of names) enforcePolicy(policy, 'docker', registryScopes(name), reference.text)
  }
  return openRegistry(names, conf, {
    ...transferSettings(options),
    ...places,
    ...definedOf(options),
  })
}

function findPolicy(places: ConfigPlaces, { policyFile }: ImageSourceOptions): ReturnType<typeof loadPolicy> {
  return loadPolicy(policyFile === undefined ? policyPaths(userConfigFolder(places), places.etc) : [policyFile])
}

/** The options that are for registries, without those that are undefined. */
function definedOf({ tlsVerify, credentials, authFile, certDir }: ImageSourceOptions) {
  return {
    ...(tlsVerify !== undefined && { tlsVerify }),
    ...(credentials !== undefined && { credentials }),
    ...(authFile !== undefined && { authFile }),
    ...(certDir !== undefined && { certDir }),
  }
}
