// Fuzzes the compiled decoders: `node scripts/fuzz.mjs [TARGET...]`, with SLUICE_FUZZ inputs (1,000,000) from
// SLUICE_FUZZ_SEED (the time). SLUICE_FUZZ_FIRST begins at a later input; with SLUICE_FUZZ=1 it repeats one.
// Inputs that fail are kept below the temporary directory.
import { fuzz } from '../dist/test/fuzz/fuzz.js'

const count = Number(process.env.SLUICE_FUZZ ?? 1_000_000)
const seed = process.env.SLUICE_FUZZ_SEED ?? String(Date.now())
const first = Number(process.env.SLUICE_FUZZ_FIRST ?? 0)
console.log(`seed ${seed}`)
const { failures, reports } = await fuzz({
  seed,
  count,
  first,
  only: process.argv.slice(2),
  onReport: ({ target, inputs, accepted, seconds, slowest, largest }) =>
    console.log(
      `${target}: ${inputs} inputs, ${accepted} accepted, ${seconds.toFixed(1)} s of CPU, ` +
        `slowest ${Math.round(slowest)} ms, largest ${(largest / 2 ** 20).toFixed(1)} MiB`,
    ),
})
console.log(`${reports.reduce((sum, { inputs }) => sum + inputs, 0)} inputs, ${failures.length} failures`)
for (const { target, index, problem, file } of failures) console.log(`\n${target} ${index} ${file}\n${problem}`)
process.exit(failures.length === 0 ? 0 : 1)
