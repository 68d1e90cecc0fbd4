/** Values of `trusted.overlay.metacopy`: the digest that overlayfs demands of a file's content (erofs.md §5.6). */
import { fromByteString, type ByteString } from '../bytes.js'
import { digestLength, objectIdFromBytes, verityAlgorithmNumber, type HashAlgorithm, type ObjectId } from '../digest.js'

/** Version, length, flags, algorithm; the digest follows. */
const HEADER_SIZE = 4

function header(algorithm: HashAlgorithm): ByteString {
  return String.fromCharCode(0, HEADER_SIZE + digestLength[algorithm], 0, verityAlgorithmNumber[algorithm])
}

/** Bytes of the value for an object. */
export function metacopyLength(id: ObjectId): number {
  return HEADER_SIZE + id.length / 2
}

/** Writes the value for an object to `bytes`. */
export function writeMetacopy(id: ObjectId, bytes: Buffer, at: number): void {
  const algorithm = id.length === 2 * digestLength.sha256 ? 'sha256' : 'sha512'
  bytes.write(header(algorithm), at, 'latin1')
  bytes.write(id, at + HEADER_SIZE, 'hex')
}

/** The digest in `value`, undefined if that is malformed or not of `algorithm`. */
export function parseMetacopy(value: ByteString, algorithm: HashAlgorithm): ObjectId | undefined {
  if (value.length !== HEADER_SIZE + digestLength[algorithm] || !value.startsWith(header(algorithm))) return undefined
  return objectIdFromBytes(fromByteString(value.slice(HEADER_SIZE)))
}
