/** Tags and refs as one file name each (oci.md §5.1, ostree.md §4.5): `%` becomes `%25`, then `/` becomes `%2F`, nothing else. */

export function encodeRefName(name: string): string {
  return name.replaceAll('%', '%25').replaceAll('/', '%2F')
}

/** Only `%2F` and `%25` are undone, any other `%xx` stays. */
export function decodeRefName(encoded: string): string {
  return encoded.replaceAll('%2F', '/').replaceAll('%25', '%')
}
