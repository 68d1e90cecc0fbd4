/** What the tests of codec libraries at load have in common. */
import type { NativeDecoder } from './codec-library.js'
import { PinnedBuffer } from './pinned-buffer.js'

/** The text that the known streams hold. */
export const knownText = Buffer.from(Array.from({ length: 300 }, (_, i) => `${(i * i * 31) % 101},`).join(''))

/** The known text as a deflate stream, in base64: 64 bytes stored, 136 in a fixed block, 666 in a dynamic one, by zlib 1.3.1. */
export const knownDeflate = `AEAAv/8wLDMxLDIzLDc3LDkyLDY4LDUsNCw2NSw4Nyw3MCwxNCwyMCw4OCwxNiw2LDU4LDcxLDQ1LDgxLDc4LDM2LDU2AAAA///SMTbXsTDQsTDR
MbHUMTfTMTPRMTTWMTLRsTTXMTbQMTLVsTDSMTQw0DG31DG01DEy1LEw1bHUsTTTMTHWMTXSMTLSMTXRMTHXMdQxNNexNNUxNgYhS1MQ1xAkYWoCVmQE
0mBppmMJMsDIEGQYyEgDA5AFRqYAAAAA///tkMmNRUEIAxOqQ7ND/omN/JKYy5dQSzS4bEE8bvDEgk6myWOTfcRQTTSzrJHFGLU01uziD0vmsUMXSdHL
OTN4EMbT46GPcw211SXBfGJ/AlnTAs9nsibD6M98FGRToaYV0EJhb4iHF+vYe8xhhxtbHNdkUI47leRg2HBFhOpKrWlQ+S25BNecAG6CCfmeDLz4Xem/
rvQH`

/** Bytes of output at a time. */
const OUTPUT_BYTES = 400

/**
 * Decodes `packed`, given in pieces of `piece` bytes, and compares what comes out with the known text. Returns how many
 * bytes were consumed; undefined if it is not the text, or does not end.
 */
export function decodesInPieces(decoder: NativeDecoder, packed: Buffer, piece: number): number | undefined {
  const output = PinnedBuffer.allocate(OUTPUT_BYTES)
  let filled = 0
  let consumed = 0
  let compared = 0
  // A step takes its piece or fills the output, but for the last one.
  const steps = Math.ceil(packed.length / piece) + Math.ceil(knownText.length / OUTPUT_BYTES) + 1
  for (let left = steps; left > 0; left--) {
    const step = decoder.step(packed.subarray(consumed, consumed + piece), output, filled)
    consumed += step.consumed
    filled += step.produced
    if (step.finished || filled === OUTPUT_BYTES) {
      if (!output.bytes.subarray(0, filled).equals(knownText.subarray(compared, compared + filled))) return undefined
      compared += filled
      filled = 0
    }
    if (step.finished) return compared === knownText.length ? consumed : undefined
  }
  return undefined
}
