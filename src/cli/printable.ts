/** What servers and files say, for a terminal. */

const dangerous = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu

/**
 * The text on one line, with escapes for what would steer a terminal: control characters, and those that turn the direction of
 * writing, which would show other words than there are.
 */
export function printable(text: string): string {
  return text.replaceAll(dangerous, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`)
}

/** The message of what was thrown, printable. */
export function messageOf(error: unknown): string {
  return printable(error instanceof Error ? error.message : String(error))
}
