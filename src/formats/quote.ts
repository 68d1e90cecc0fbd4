/** Text from a file as errors show it: its beginning, as it may be of any length, and nothing that a terminal acts on. */
export function quote(text: string): string {
  const shown = JSON.stringify(text.slice(0, 200))
  // JSON leaves DEL and the C1 controls as they are.
  return shown.replaceAll(/[\u007f-\u009f]/g, (control) => `\\u00${control.charCodeAt(0).toString(16)}`)
}
