/** Driver options as text, of `STORAGE_OPTS` and of a store part: `overlay.key=value`, joined by commas. */

export interface StoreOptions {
  readonly imageStores: readonly string[]
  readonly additionalImageStores: readonly string[]
}

/** The options that name further stores; the others mean nothing to a reader. */
export function parseStoreOptions(text: string): StoreOptions {
  const options = text.split(',').map((item) => /^\s*(?:overlay2?\.|vfs\.)?([a-z_]+)=(.*?)\s*$/s.exec(item))
  const values = (key: string): string[] =>
    options.flatMap((option) => (option?.[1] === key && option[2] !== '' ? [option[2]] : []))
  return { imageStores: values('imagestore'), additionalImageStores: values('additionalimagestore') }
}
