import { createInterface } from 'node:readline/promises'
import { openAt } from './ca-databases.ts'
import { CROWD, enrolCrowd } from './crowd.ts'
import type { CrowdTask } from './crowd-child.ts'

// A process that enrols part of the crowd: says `ready`, waits for a line, and tells each outcome in one.

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const { at, members, death }: CrowdTask = JSON.parse(process.argv[2] ?? '')
const say = (what: object | string): void => void process.stdout.write(`${JSON.stringify(what)}\n`)

/** Kills this process some steps later: in a file the steps of a transaction follow without a pause, on a server with one. */
const dieIn = (steps: number): void => {
  if (steps === 0) process.kill(process.pid, 'SIGKILL')
  else if (at.server === null) queueMicrotask(() => dieIn(steps - 1))
  else setImmediate(() => dieIn(steps - 1))
}

let left = death?.after ?? Number.POSITIVE_INFINITY
const store = await openAt(at)
const crowd = members.flatMap((index) => CROWD[index] ?? [])
await enrolCrowd(store, crowd, {
  together: async () => {
    say('ready')
    await lines.next()
  },
  onOutcome: (outcome) => {
    say(outcome)
    if (outcome.code !== 'in') return
    left -= 1
    if (left === 0) dieIn(death?.steps ?? 0)
  },
})
await store.close()
process.exit()
