/** Text from a file as errors show it: its beginning, as it may be of any length, and nothing that a terminal acts on. */
export function quote(text: string): string {
  return JSON.stringify(text.slice(0, 200))
}
