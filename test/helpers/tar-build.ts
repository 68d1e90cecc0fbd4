/** Builds tars block by block, malformed ones included. */

export interface HeaderFields {
  readonly name?: string
  readonly mode?: string
  readonly uid?: string
  readonly gid?: string
  /** A number is written as octal. */
  readonly size?: string | number
  readonly mtime?: string
  readonly flag?: string
  readonly link?: string
  /** Magic and version, eight bytes; NULs make a V7 header. */
  readonly magic?: string
  readonly major?: string
  readonly minor?: string
  readonly prefix?: string
  /** Instead of the right checksum. */
  readonly checksum?: string
}

export const magic = { ustar: 'ustar\x0000', gnu: 'ustar  \0', v7: '\0'.repeat(8) } as const

/** Text with one byte a character. */
function put(block: Buffer, at: number, text: string): void {
  block.write(text, at, 'latin1')
}

export function header(fields: HeaderFields = {}): Buffer {
  const { size = 0 } = fields
  const block = Buffer.alloc(512)
  put(block, 0, fields.name ?? 'usr/a')
  put(block, 100, fields.mode ?? '0000644\0')
  put(block, 108, fields.uid ?? '0000000\0')
  put(block, 116, fields.gid ?? '0000000\0')
  put(block, 124, typeof size === 'string' ? size : `${size.toString(8).padStart(11, '0')}\0`)
  put(block, 136, fields.mtime ?? '14524770400\0')
  put(block, 156, fields.flag ?? '0')
  put(block, 157, fields.link ?? '')
  put(block, 257, fields.magic ?? magic.ustar)
  put(block, 329, fields.major ?? '0000000\0')
  put(block, 337, fields.minor ?? '0000000\0')
  put(block, 345, fields.prefix ?? '')
  return seal(block, fields.checksum)
}

/** Writes the checksum. */
export function seal(block: Buffer, checksum?: string): Buffer {
  block.fill(' ', 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  put(block, 148, checksum ?? `${sum.toString(8).padStart(6, '0')}\0 `)
  return block
}

export function padded(content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.alloc((512 - (content.length % 512)) % 512)])
}

/** A header and its content; the size is that of the content unless given. */
export function entry(fields: HeaderFields, content = ''): Buffer {
  const bytes = Buffer.from(content, 'latin1')
  return Buffer.concat([header({ size: bytes.length, ...fields }), padded(bytes)])
}

export function directory(name: string, fields: HeaderFields = {}): Buffer {
  return entry({ name, flag: '5', mode: '0000755\0', ...fields })
}

/** A pax extended header with these records. */
export function pax(...records: readonly (readonly [key: string, value: string])[]): Buffer {
  const text = records.map(([key, value]) => {
    const rest = ` ${key}=${value}\n`
    let length = rest.length + 1
    while (`${length}${rest}`.length !== length) length++
    return `${length}${rest}`
  })
  return paxText(text.join(''))
}

/** A pax extended header with this body. */
export function paxText(text: string): Buffer {
  return entry({ name: 'PaxHeaders/x', flag: 'x' }, text)
}

export const endMarker = Buffer.alloc(1024)

/** `/usr` and then these parts, with an end marker. */
export function tarOf(...parts: readonly Buffer[]): Buffer {
  return Buffer.concat([directory('usr/'), ...parts, endMarker])
}
