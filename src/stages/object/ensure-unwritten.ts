/** That a file which is shared is still the one that was hashed. */
import { fstatSync, type Stats } from 'node:fs'
import { SluiceError } from '../../errors.js'

/**
 * @param before of the file when it was shared
 * @throws SluiceError `SLUICE_IO` if it was written since then.
 */
export function ensureUnwritten({ fd, path }: { readonly fd: number; readonly path: string }, before: Stats): void {
  const { ctimeMs, mtimeMs, nlink } = fstatSync(fd)
  if (ctimeMs === before.ctimeMs) return
  // That time changes with the number of names, too, as where podman removes the layer: the content is what it was.
  if (nlink !== before.nlink && mtimeMs === before.mtimeMs) return
  throw new SluiceError('SLUICE_IO', `${path} was changed while it was read`, {
    hint: 'pull again when nobody writes to it',
    details: { path },
  })
}
