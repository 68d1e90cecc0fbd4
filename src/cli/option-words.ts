/** The words of options as the reference reads them, where commander reads them in another way. */
import type { Command, Option } from 'commander'

/**
 * `-r=NAME` is `-r NAME`; to commander the `=` is part of the value. And no option takes the next option for its value, as in
 * `gc --root $UNSET --dry-run`, which would remove what was only to be told. `--root=-x` gives such a value.
 */
export function readOptionWords(command: Command): void {
  const parseOptions = command.parseOptions.bind(command)
  command.parseOptions = (words) => parseOptions(withValuesApart(command, words))
}

/** Ends with a usage error where an option lacks its value. */
function withValuesApart(command: Command, words: readonly string[]): string[] {
  const result: string[] = []
  for (let at = 0; at < words.length; at++) {
    const word = words[at]
    // What follows is for the command of that name, or holds no options.
    if (word === '--' || (command.commands.length > 0 && !word.startsWith('-'))) return [...result, ...words.slice(at)]
    const [, flags = word, value] = /^(-[a-z]+)=(.*)$/is.exec(word) ?? []
    const option = valueOption(command, flags)
    if (option === undefined) result.push(word)
    else if (value !== undefined) result.push(flags, value)
    else {
      const next = words[++at]
      // A negative number is a value; `-` stands for a standard stream.
      if (next !== undefined && /^-[^0-9]/.test(next)) command.error(`error: option '${option.flags}' argument missing`)
      result.push(flags, ...words.slice(at, at + 1))
    }
  }
  return result
}

/** The option that needs a value, if `flags` is one, or short ones of which it is the last. */
function valueOption(command: Command, flags: string): Option | undefined {
  const isShort = /^-[a-z]+$/i.test(flags)
  const find = (name: string) => command.options.find(({ short, long }) => short === name || long === name)
  const option = find(isShort ? `-${flags.slice(-1)}` : flags)
  if (option?.required !== true) return undefined
  // The first one that takes a value has the rest for it.
  const others = isShort ? flags.slice(1, -1).split('') : []
  return others.every((flag) => find(`-${flag}`)?.required === false) ? option : undefined
}
