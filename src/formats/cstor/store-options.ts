/** Driver options as text, of `STORAGE_OPTS` and of a store part: `overlay.key=value`, joined by commas. */

export interface StoreOptions {
  readonly imageStores: readonly string[]
  readonly additionalImageStores: readonly string[]
}

/** The driver before a key may be empty; the case of both makes no difference to the Go library. */
const optionSyntax = /^\s*(?:(?:overlay2?|vfs)?\.)?([a-z_]+)\s*=\s*(.*?)\s*$/is

/** The options that name further stores; the others mean nothing to a reader. */
export function parseStoreOptions(text: string): StoreOptions {
  const options = text.split(',').map((item) => optionSyntax.exec(item))
  const values = (key: string): string[] =>
    options.flatMap((option) => (option?.[1].toLowerCase() === key && option[2] !== '' ? [option[2]] : []))
  return { imageStores: values('imagestore'), additionalImageStores: values('additionalimagestore') }
}
