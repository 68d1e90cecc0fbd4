/** A program: serves OCI layouts until it is ended. Arguments: NAME LAYOUT, for each; prints `host:port`. */
import { TestRegistry } from '../../test/helpers/registry.js'

const registry = await TestRegistry.start()
const words = process.argv.slice(2)
for (let at = 0; at + 1 < words.length; at += 2) {
  const [name, layout] = [words[at], words[at + 1]]
  registry.addLayout(layout, `bench/${name}`, name)
}
process.stdout.write(`${registry.host}\n`)
