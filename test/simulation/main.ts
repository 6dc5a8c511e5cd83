import { parseArgs } from 'node:util'
import { INVARIANTS } from './invariants/check.ts'
import { createRunner, minimise, storyOf } from './run.ts'
import { planOf } from './scenario.ts'
import { stopwatch } from './timers.ts'

// npm run simulate -- --seeds 100 --from 1 --json

const USAGE = `npm run simulate -- [--seeds N] [--from S] [--within SECONDS] [--json] [--each] [--watch]
  --seeds N    how many seeds to run (100)
  --from S     the first of them (1)
  --within T   begins no further seed after so many seconds, once ten are run
  --json       ends with one line: {"seeds","events","messages","failures":[{"seed","invariant","story"}]}
  --each       a line for each seed, with the fingerprint of its run
  --watch      prints each event
`

const LEAST = 10 // however slow the machine

type Failure = { readonly seed: number; readonly invariant: string; readonly story: string }

const main = async (): Promise<number> => {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '100' },
      from: { type: 'string', default: '1' },
      within: { type: 'string' },
      json: { type: 'boolean', default: false },
      each: { type: 'boolean', default: false },
      watch: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(USAGE)
    return 0
  }
  const [count, from] = [wholeNumber(values.seeds), wholeNumber(values.from)]
  const within = values.within === undefined ? Number.POSITIVE_INFINITY : wholeNumber(values.within) * 1_000
  const runner = createRunner()
  const begun = stopwatch()
  const failures: Failure[] = []
  const sum = { seeds: 0, events: 0, messages: 0, devices: 0 }
  for (let seed = from; seed < from + count && (sum.seeds < LEAST || stopwatch() - begun < within); seed++) {
    const plan = planOf(seed)
    const result = await runner.run(plan, {}, values.watch ? say : undefined)
    sum.seeds++
    sum.events += result.events
    sum.messages += result.messages
    sum.devices += result.devices
    const { devices, events, messages, fingerprint } = result
    if (values.each) say(JSON.stringify({ seed, devices, events, messages, fingerprint }))
    const [violation] = result.violations
    if (violation === undefined) continue
    say(`seed ${seed} fails, invariant ${violation.invariant}: ${violation.detail.slice(0, 300)}`)
    const least = await minimise(runner, plan, violation)
    const again = (await runner.run(least)).violations.find(({ invariant }) => invariant === violation.invariant)
    const story = storyOf(least, again ?? violation)
    if (!values.json) say(story)
    failures.push({ seed, invariant: `${violation.invariant}: ${INVARIANTS[violation.invariant]}`, story })
  }
  const { seeds, events, messages, devices } = sum
  const seconds = (stopwatch() - begun) / 1_000
  if (values.json) say(JSON.stringify({ seeds, events, messages, failures }))
  else {
    say(
      `${seeds} seeds, ${devices} devices, ${events} events, ${messages} messages in ${seconds.toFixed(0)} s: ${failures.length} failed`,
    )
  }
  return failures.length === 0 ? 0 : 1
}

const say = (line: string): void => void process.stdout.write(`${line}\n`)

const wholeNumber = (text: string): number => {
  const number = Number(text)
  if (Number.isSafeInteger(number) && number >= 0) return number
  throw new RangeError(`${text} is no whole number`)
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
  process.exitCode = 1
}
