import type { PublicKey } from 'openpgp'
import { SluiceError } from '../../errors.js'

/** The library is an optional dependency and takes 50 ms to load. */
export async function openpgp() {
  try {
    return await import('openpgp')
  } catch (error) {
    throw new SluiceError(
      'SLUICE_UNSUPPORTED',
      'OpenPGP signatures cannot be checked: the package openpgp is missing',
      {
        cause: error,
        hint: 'install it beside sluice with "npm install openpgp"',
      },
    )
  }
}

/** The keys of a keyring, whose own type says nothing of the library. */
export const publicKeys = ({ keys }: { readonly keys: readonly unknown[] }) => keys as readonly PublicKey[]
