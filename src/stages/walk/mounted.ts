/**
 * Which images of a repository are mounted at this moment. Nothing in the repository tells; of such a mount the kernel shows
 * its data layer and a text, and if it reads the image through a loop device, the file behind that.
 */
import { statfsSync, statSync } from 'node:fs'
import { fromByteString, type ByteString } from '../../formats/bytes.js'
import { digestLength, objectIdFromPath, type HashAlgorithm, type ObjectId } from '../../formats/digest.js'
import { deviceName, listImageMounts, listLoopFiles, type ImageMount } from '../../native/mounted-images.js'
import type { Repository } from '../../repository/repository.js'

/** What the kernel tells. */
export interface MountTable {
  readonly mounts: readonly ImageMount[]
  readonly loopFiles: readonly ByteString[]
}

/**
 * Those of `images` that are mounted; where the kernel leaves open which one it is, all that it can be.
 *
 * @param images the ids of all images of the repository
 */
export function findMountedImages(
  repository: Repository,
  images: ReadonlySet<ObjectId>,
  { mounts, loopFiles }: MountTable = { mounts: listImageMounts(), loopFiles: listLoopFiles() },
): Set<ObjectId> {
  const behindLoops = loopFiles.map((file) => objectIdFromPath(repository.algorithm, file))
  const behindMounts = mounts.flatMap((mount) => imagesBehind(repository, images, mount))
  return new Set([...behindLoops, ...behindMounts].filter((id) => id !== undefined).filter((id) => images.has(id)))
}

function imagesBehind(repository: Repository, images: ReadonlySet<ObjectId>, mount: ImageMount): ObjectId[] {
  // An id decides, of a tag it is not sure that it still means what it meant.
  const named = namedImage(repository.algorithm, mount.source)
  if (named !== undefined) return [named]
  const belongs = belongsTo(repository, mount)
  if (belongs === 'no') return []
  const size = imageSize(mount)
  if (size === undefined) return [...images]
  const matching = [...images].filter((id) => sizeOf(repository, id) === size)
  return matching.length === 0 && belongs === 'yes' ? [...images] : matching
}

/** The id in `composefs:ID`, or in the path of an image or its object. */
function namedImage(algorithm: HashAlgorithm, source: ByteString): ObjectId | undefined {
  const name = source.slice(Math.max(source.lastIndexOf('/'), source.lastIndexOf(':')) + 1)
  const isId = name.length === 2 * digestLength[algorithm] && /^[0-9a-f]+$/.test(name)
  return isId ? (name as ObjectId) : objectIdFromPath(algorithm, source)
}

/**
 * Whether the mount reads from this repository. Kernels before 6.13 show layers as descriptors of the process that mounted
 * them, which say nothing any more; others mount an image from a descriptor; and a repository may have been moved since.
 */
function belongsTo(repository: Repository, { type, source, layers }: ImageMount): 'yes' | 'no' | 'perhaps' {
  if (type === 'erofs') return isUnclear(source) ? 'perhaps' : 'no'
  if (layers.some((layer) => isSameFile(layer, repository.objects.directory))) return 'yes'
  return source.startsWith('composefs') && layers.some((layer) => isUnclear(layer) || isGone(layer)) ? 'perhaps' : 'no'
}

function isUnclear(path: ByteString): boolean {
  return path.startsWith('/proc/') || !path.startsWith('/')
}

function isGone(path: ByteString): boolean {
  return unlessFails(() => statSync(fromByteString(path))) === undefined
}

function isSameFile(path: ByteString, other: string): boolean {
  const [a, b] = [unlessFails(() => statSync(fromByteString(path))), unlessFails(() => statSync(other))]
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino
}

/** `f_type` of what shows its size: overlay without a writable layer passes on what EROFS says. */
const fileSystemNumbers = { overlay: 0x794c7630, erofs: 0xe0f5e1e2 } as const

/** Bytes of the mounted image; undefined if the mount does not tell, or another one lies over it. */
function imageSize({ type, mountPoint, device, hasUpper }: ImageMount): number | undefined {
  const path = fromByteString(mountPoint)
  const stats = unlessFails(() => statSync(path))
  const isUppermost = stats !== undefined && deviceName(stats.dev) === device
  const facts = hasUpper || !isUppermost ? undefined : unlessFails(() => statfsSync(path))
  return facts?.type === fileSystemNumbers[type] ? facts.blocks * facts.bsize : undefined
}

function sizeOf(repository: Repository, id: ObjectId): number | undefined {
  return unlessFails(() => statSync(repository.objects.path(id)).size)
}

/** Mounts come and go; whatever cannot be looked at any more is unknown. */
function unlessFails<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch {
    return undefined
  }
}
