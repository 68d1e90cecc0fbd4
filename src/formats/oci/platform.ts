/** Platforms in Go's names, and the choice of an instance from an index (oci.md §1.3, §11). */
import { SluiceError } from '../../errors.js'
import type { JsonFields } from './json-fields.js'

export interface Platform {
  readonly os: string
  readonly architecture: string
  readonly variant?: string
}

export function parsePlatformFields(fields: JsonFields): Platform {
  const variant = fields.optionalString('variant')
  // Not used; of the other fields of a platform, the reference takes any value.
  fields.optionalStrings('features')
  return {
    os: fields.string('os'),
    architecture: fields.string('architecture'),
    ...(variant === undefined || variant === '' ? {} : { variant }),
  }
}

const architectures: Readonly<Record<string, string>> = {
  x64: 'amd64',
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
  ia32: '386',
  i386: '386',
  i686: '386',
  ppc64: 'ppc64le',
  armhf: 'arm',
  armel: 'arm',
  loongarch64: 'loong64',
}

/** The platform of this process; no variant, as the reference compares none. `arch` is as in `process.arch`. */
export function hostPlatform(arch: string = process.arch): Platform {
  return { os: 'linux', architecture: architectures[arch] ?? arch }
}

/** Parses `os/architecture[/variant]`; common other names of architectures are understood. */
export function parsePlatform(text: string): Platform {
  const parts = text.split('/')
  if (parts.length < 2 || parts.length > 3 || parts.some((part) => !/^[A-Za-z0-9_.-]+$/.test(part))) {
    throw new SluiceError('SLUICE_USAGE', `not a platform: ${JSON.stringify(text)}`, {
      hint: 'write it as os/architecture or os/architecture/variant, such as linux/arm64 or linux/arm/v7',
    })
  }
  const [os, architecture, variant] = parts.map((part) => part.toLowerCase()) as [string, string, string?]
  const implied = architecture === 'armhf' ? 'v7' : architecture === 'armel' ? 'v5' : undefined
  const chosen = variant ?? implied
  return {
    os,
    architecture: architectures[architecture] ?? architecture,
    ...(chosen === undefined ? {} : { variant: chosen }),
  }
}

export function formatPlatform(platform: Platform): string {
  const base = `${platform.os}/${platform.architecture}`
  return platform.variant === undefined ? base : `${base}/${platform.variant}`
}

/** Same os and architecture; the variant is not looked at. */
export function matchesPlatform(wanted: Platform, offered: Platform): boolean {
  return wanted.os === offered.os && wanted.architecture === offered.architecture
}

/** From the most to the least capable: a later one runs where an earlier one does. */
const variantOrder: Readonly<Record<string, readonly string[]>> = {
  arm: ['v8', 'v7', 'v6', 'v5'],
  arm64: ['v9', 'v8'],
  amd64: ['v4', 'v3', 'v2', 'v1'],
}

/** Acceptable variants, best first; undefined stands for an instance that states none. */
function variantPreference(wanted: Platform): (string | undefined)[] {
  const order = variantOrder[wanted.architecture] ?? []
  if (wanted.variant !== undefined) {
    const at = order.indexOf(wanted.variant)
    return [...(at < 0 ? [wanted.variant] : order.slice(at)), undefined]
  }
  // Nothing asked for: what every machine of the architecture runs comes before what only newer ones do. On arm, v7
  // comes first, as Node itself runs on nothing older.
  return [undefined, ...(wanted.architecture === 'arm' ? ['v7', 'v6', 'v5', 'v8'] : order.toReversed())]
}

/**
 * The best instance for `wanted` among `items`: exact variant, then lower ones, then none; the first of equals.
 * Items without a platform are not considered.
 */
export function chooseByPlatform<Item extends { readonly platform?: Platform }>(
  items: readonly Item[],
  wanted: Platform,
): Item | undefined {
  const fitting = items.filter((item) => item.platform !== undefined && matchesPlatform(wanted, item.platform))
  for (const variant of variantPreference(wanted)) {
    const item = fitting.find((item) => item.platform?.variant === variant)
    if (item !== undefined) return item
  }
  return undefined
}

/** Platforms that an error lists; an index of 4 MiB has room for 30,000. */
const MAX_OFFERED = 30

/** The error for an index without an instance for `wanted`. */
export function noInstance(where: string, wanted: Platform, offered: Iterable<Platform>): SluiceError {
  const names = [...new Set([...offered].map((platform) => formatPlatform(platform).slice(0, 60)))]
  const more = names.length > MAX_OFFERED ? `, and ${names.length - MAX_OFFERED} more` : ''
  const available = names.slice(0, MAX_OFFERED).join(', ') || 'none'
  return new SluiceError(
    'SLUICE_NOT_FOUND',
    `${where}: No manifest found for platform ${formatPlatform(wanted)}; available: ${available}${more}`,
  )
}
