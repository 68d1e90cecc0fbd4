/** Random numbers that depend on a seed alone, so that every input can be made again. */

export class Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  /** The same words give the same numbers. */
  constructor(...words: readonly (string | number)[]) {
    // FNV-1a over the words; the generator mixes the rest.
    let hash = 0x811c9dc5
    for (const character of words.join('\0')) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193)
    this.#a = hash >>> 0
    this.#b = Math.imul(hash, 0x9e3779b1) >>> 0
    this.#c = ~hash >>> 0
    for (let i = 0; i < 12; i++) this.word()
  }

  /** 32 bits: the generator "sfc32". */
  word(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** 0 to `end` - 1; 0 if there is nothing else. */
  below(end: number): number {
    return end <= 1 ? 0 : Math.floor((this.word() / 2 ** 32) * end)
  }

  chance(probability: number): boolean {
    return this.word() < probability * 2 ** 32
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]
  }

  /** Small numbers are as likely as each power of two above them. */
  length(end: number): number {
    return this.below(Math.min(end, 2 ** this.below(Math.ceil(Math.log2(end + 1)) + 1)) + 1)
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length)
    for (let at = 0; at < length; at++) bytes[at] = this.word()
    return bytes
  }
}
