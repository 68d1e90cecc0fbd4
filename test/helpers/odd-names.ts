/** Names of files that careless tools stumble over, of characters that ISO 8859-1 has: some helpers write a byte for each. */
export const oddNames: readonly string[] = ['b', 'x y', 'n\nl', 'é', 'b\\s', '-', '=', 't\tb', '.hid', '...']
