/**
 * Mounting a composefs image: EROFS of the image below, its objects as a data-only layer, overlay on top; what `cfsctl mount`
 * makes (repository.md §7), with two differences: cfsctl 0.9.4 asks for `verity=require` in insecure repositories too, where every
 * file with an object then fails with EIO, and its image is mounted for a moment under a temporary name.
 *
 * Kernels: data-only layers 6.5, `verity=` 6.6, EROFS from a file 6.12 (else a loop device), layers by descriptor 6.13,
 * of mounts that have no place 6.15 (else a temporary directory).
 */
import { closeSync, constants, mkdtempSync, openSync, rmdirSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SluiceError, ioError, withContext } from '../errors.js'
import { libcAvailable, nativeMissing } from './libc.js'
import { LoopDevice } from './loop-device.js'
import { FsContext, type NativeFd, attachMount, unmount } from './mount-api.js'

export { unmount } from './mount-api.js'

export interface ComposefsMountOptions {
  /** Path of the EROFS image, or a descriptor open for reading, which is the caller's to close. */
  readonly image: string | number
  /** `objects` directory of the repository. */
  readonly objectsDir: string
  readonly target: string
  /** `require`: every object must have the fs-verity digest that the image gives it. */
  readonly verity: 'require' | 'off'
  /** What mount tables show as the device; cfsctl has `composefs:NAME`. */
  readonly source?: string
  /** Writable layer and its work directory: both or none. */
  readonly upperdir?: string
  readonly workdir?: string
  /** Mount writable; needs `upperdir`. */
  readonly readWrite?: boolean
  /** How EROFS reads the image, and how overlay gets its layers. Default: the first that this kernel can. */
  readonly imageAccess?: ImageAccess
  readonly layerAccess?: LayerAccess
}

const imageAccesses = ['file', 'loop'] as const
const layerAccesses = ['descriptor', 'temporary-mount'] as const
export type ImageAccess = (typeof imageAccesses)[number]
export type LayerAccess = (typeof layerAccesses)[number]

// What a kernel answers that does not know the first way; ENOTBLK: EROFS wants a block device; EBADF: Linux 6.12 takes no
// descriptor of a mount that has no place for a layer.
const unknownWay = new Set(['EBADF', 'EINVAL', 'ENOTBLK', 'EOPNOTSUPP'])

/** Mounts a composefs image at `target`. Needs root; leaves no mount behind when it fails. */
export function mountComposefs(options: ComposefsMountOptions): void {
  checkOptions(options)
  try {
    using layers = openLayers(options)
    using erofs = mountErofs(layers.image, options.imageAccess)
    using overlay = mountOverlay(erofs, layers, options)
    attachMount(overlay, options.target)
  } catch (error) {
    throw withContext(error, `cannot mount the image at ${options.target}`)
  }
}

function checkOptions({ upperdir, workdir, readWrite, target }: ComposefsMountOptions): void {
  if ((upperdir === undefined) !== (workdir === undefined)) {
    throw new SluiceError('SLUICE_USAGE', 'upperdir and workdir must be given together')
  }
  if (readWrite === true && upperdir === undefined) {
    throw new SluiceError('SLUICE_USAGE', 'a writable mount needs upperdir and workdir')
  }
  if (!libcAvailable()) throw nativeMissing('mount')
  if (!inspect(target).isDirectory()) throw new SluiceError('SLUICE_USAGE', `mount point ${target} is not a directory`)
}

function inspect(target: string) {
  try {
    return statSync(target)
  } catch (error) {
    throw ioError(error, `mount point ${target}`)
  }
}

/** Descriptors of everything the mount is made of. */
interface Layers extends Disposable {
  readonly image: number
  readonly objects: number
  readonly upper: { readonly directory: number; readonly work: number } | undefined
}

function openLayers({ image, objectsDir, upperdir, workdir }: ComposefsMountOptions): Layers {
  const opened: number[] = []
  const close = () => opened.splice(0).forEach((fd) => closeSync(fd))
  const open = (path: string, flags: number): number => {
    try {
      const fd = openSync(path, flags)
      opened.push(fd)
      return fd
    } catch (error) {
      close()
      throw ioError(error, path)
    }
  }
  const directory = constants.O_RDONLY | constants.O_DIRECTORY
  return {
    image: typeof image === 'number' ? image : open(image, constants.O_RDONLY),
    objects: open(objectsDir, directory),
    upper:
      upperdir === undefined || workdir === undefined
        ? undefined
        : { directory: open(upperdir, directory), work: open(workdir, directory) },
    [Symbol.dispose]: close,
  }
}

function mountErofs(image: number, access: ImageAccess | undefined): NativeFd {
  return firstWay(access === undefined ? imageAccesses : [access], (way) => {
    if (way === 'file') return erofsFrom(descriptorPath(image))
    using device = LoopDevice.attach(image)
    return erofsFrom(device.path)
  })
}

function erofsFrom(source: string): NativeFd {
  using context = new FsContext('erofs')
  context.setFlag('ro')
  context.setString('source', source)
  return context.mount(true)
}

function mountOverlay(erofs: NativeFd, layers: Layers, options: ComposefsMountOptions): NativeFd {
  return firstWay(options.layerAccess === undefined ? layerAccesses : [options.layerAccess], (way) =>
    way === 'descriptor'
      ? overlayOf(options, (context) => {
          if (layers.upper !== undefined) {
            context.setFd('upperdir', layers.upper.directory)
            context.setFd('workdir', layers.upper.work)
          }
          context.setFd('lowerdir+', erofs.fd)
          context.setFd('datadir+', layers.objects)
        })
      : withTemporaryMount(erofs, () =>
          overlayOf(options, (context) => {
            if (layers.upper !== undefined) {
              context.setString('upperdir', descriptorPath(layers.upper.directory))
              context.setString('workdir', descriptorPath(layers.upper.work))
            }
            context.setString('lowerdir', `${descriptorPath(erofs.fd)}::${descriptorPath(layers.objects)}`)
          }),
        ),
  )
}

function overlayOf(options: ComposefsMountOptions, setLayers: (context: FsContext) => void): NativeFd {
  using context = new FsContext('overlay')
  context.setString('source', shortened(options.source ?? 'composefs'))
  context.setString('metacopy', 'on')
  context.setString('redirect_dir', 'on')
  if (options.verity === 'require') context.setString('verity', 'require')
  setLayers(context)
  return context.mount(options.readWrite !== true)
}

/** At most 255 bytes, the limit of fsconfig(2); this text is for people only. */
function shortened(source: string): string {
  return Buffer.from(source, 'utf8')
    .subarray(0, 255)
    .toString('utf8')
    .replace(/\uFFFD+$/, '')
}

function withTemporaryMount<T>(mount: NativeFd, body: () => T): T {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-mount-'))
  try {
    attachMount(mount, directory)
    try {
      return body()
    } finally {
      unmount(directory)
    }
  } finally {
    rmdirSync(directory)
  }
}

function descriptorPath(fd: number): string {
  return `/proc/self/fd/${fd}`
}

/** The result of the first way that the kernel knows; if none, why the last failed, and the others where that differs. */
function firstWay<W, T>([way, ...others]: readonly [W, ...W[]], attempt: (way: W) => T): T {
  try {
    return attempt(way)
  } catch (error) {
    const [next, ...rest] = others
    if (next === undefined || !isOfUnknownWay(error)) throw error
    try {
      return firstWay([next, ...rest], attempt)
    } catch (last) {
      if (!(last instanceof SluiceError) || last.message === error.message) throw last
      throw withContext(last, `${error.message}; tried another way`)
    }
  }
}

function isOfUnknownWay(error: unknown): error is SluiceError {
  const errno = error instanceof SluiceError ? error.details['errno'] : undefined
  return typeof errno === 'string' && unknownWay.has(errno)
}
