/** What servers and files say, for a terminal. */

const dangerous = /(?!\t)[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu

/**
 * The text on one line, with escapes for what would steer a terminal: control characters but the tab, and those that turn
 * the direction of writing, which would show other words than there are.
 */
export function printable(text: string): string {
  return text.replaceAll(dangerous, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`)
}

/** The same of text that has lines. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}

/** The message of what was thrown, printable. */
export function messageOf(error: unknown): string {
  return printable(error instanceof Error ? error.message : String(error))
}
