/**
 * Which files and directories the kernel's mounts of composefs images come from: its mount table and its loop devices.
 *
 * The mount table is that of this process's mount namespace; loop devices are those of the whole machine.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { errnoOf, ioError } from '../errors.js'
import type { ByteString } from '../formats/bytes.js'

/** A mount that may be one of an image: an overlay with its layers, or EROFS itself. */
export interface ImageMount {
  readonly type: 'overlay' | 'erofs'
  /** Where it is mounted; something else may be mounted over it. */
  readonly mountPoint: ByteString
  /** `major:minor` of what is mounted. */
  readonly device: string
  /** For EROFS its device or file; for overlay any text, `composefs:NAME` by the usual tools. */
  readonly source: ByteString
  /** Lower and data layers of an overlay, as they were given: `/proc/self/fd/N` of a process that is gone, too. */
  readonly layers: readonly ByteString[]
  /** Whether `statfs` tells of a writable layer and not of the image. */
  readonly hasUpper: boolean
}

/** `major:minor` of a device number, whose 12 and 20 bits `stat` tells as 8 of the minor, the major, 12 of the minor. */
export function deviceName(dev: number): string {
  return `${(dev >>> 8) & 0xfff}:${(dev & 0xff) | ((dev >>> 12) & 0xfff00)}`
}

/** The mounts of this namespace that may be mounts of images; none where there is no /proc. */
export function listImageMounts(): ImageMount[] {
  const table = readIfThere('/proc/self/mountinfo')
  return table === undefined ? [] : parseImageMounts(table)
}

/** The files behind the loop devices of this machine; those that were removed are named as they were. */
export function listLoopFiles(): ByteString[] {
  return listIfThere('/sys/block')
    .filter((name) => name.startsWith('loop'))
    .map((name) => readIfThere(`/sys/block/${name}/loop/backing_file`))
    .filter((file) => file !== undefined)
    .map((file) => file.replace(/\n$/, '').replace(/ \(deleted\)$/, ''))
}

/**
 * Reads a table in the form of proc_pid_mountinfo(5): `id parent device root mountPoint options [fields…] - type source
 * superOptions`, where space, tab, line end and backslash are `\ooo`. What has another form is passed over.
 */
export function parseImageMounts(table: ByteString): ImageMount[] {
  return table.split('\n').flatMap((line) => {
    const words = line.split(' ')
    const separator = words.indexOf('-', 6)
    if (separator < 0) return []
    const place = { device: words[2], mountPoint: unescapeOctal(words[4]) }
    const [type, source = '', options = ''] = words.slice(separator + 1)
    if (type === 'erofs') {
      return [{ type, ...place, source: unescapeOctal(source), layers: [], hasUpper: false }]
    }
    return type === 'overlay' ? [{ ...place, ...overlayMount(unescapeOctal(source), options) }] : []
  })
}

function overlayMount(source: ByteString, options: ByteString): Omit<ImageMount, 'device' | 'mountPoint'> {
  const layers: ByteString[] = []
  let hasUpper = false
  // A comma in a path is \054 here, and one that was escaped with a backslash for mount(2) is \134\054.
  for (const option of options.split(',')) {
    const equals = option.indexOf('=')
    const value = unescapeOctal(option.slice(equals + 1))
    const key = option.slice(0, Math.max(equals, 0))
    if (key === 'upperdir') hasUpper = true
    else if (key === 'lowerdir+' || key === 'datadir+') layers.push(value)
    else if (key === 'lowerdir') layers.push(...splitLayers(value))
  }
  return { type: 'overlay', source, layers, hasUpper }
}

/** `a:b::c`: layers by colons, data-only ones after two; a backslash takes the next character as it is. */
function splitLayers(text: ByteString): ByteString[] {
  const layers = text.match(/(?:\\.|[^:\\])+/g) ?? []
  return layers.map((layer) => layer.replaceAll(/\\(.)/g, '$1'))
}

function unescapeOctal(text: ByteString): ByteString {
  return text.replaceAll(/\\([0-3][0-7]{2})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}

function readIfThere(path: string): ByteString | undefined {
  return ifThere(path, () => readFileSync(path, 'latin1'))
}

function listIfThere(path: string): string[] {
  return ifThere(path, () => readdirSync(path)) ?? []
}

function ifThere<T>(path: string, read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw ioError(error, `cannot find out what is mounted: ${path}`)
  }
}
