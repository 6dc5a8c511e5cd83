import { parseArgs } from 'node:util'
import { openOffice } from './people.ts'
import { runSeed } from './run.ts'

// npm run simulate -- --seeds 1000 --from 1 --json: plays seeds, and tells each that ends in what must not be.

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    json: { type: 'boolean' },
  },
})
const [from, seeds] = [Number(values.from), Number(values.seeds)]
if (!Number.isSafeInteger(from) || !Number.isSafeInteger(seeds) || seeds < 1) {
  process.stderr.write('simulate: --seeds and --from are whole numbers\n')
  process.exit(1)
}

const office = openOffice()
const total = { events: 0, messages: 0 }
const failures: { readonly seed: number; readonly invariant: string; readonly story: readonly string[] }[] = []
for (let seed = from; seed < from + seeds; seed++) {
  const { events, messages, violations, story } = await runSeed(seed, office)
  total.events += events
  total.messages += messages
  const [first] = violations
  if (first !== undefined) failures.push({ seed, invariant: String(first.invariant), story })
  if (values.json !== true) {
    process.stdout.write(first === undefined ? '.' : `\nseed ${seed}\n${story.join('\n')}\n`)
  }
}
process.stdout.write(`${values.json === true ? '' : '\n'}${JSON.stringify({ seeds, ...total, failures })}\n`)
process.exit(failures.length === 0 ? 0 : 1)
