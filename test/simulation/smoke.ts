import { createRack } from './disk.ts'
import { openOffice } from './people.ts'
import { wordsOfAct } from './plan.ts'
import { planOf } from './scenario.ts'
import { stopwatch } from './timers.ts'
import { runPlan } from './world.ts'
const office = openOffice()
const [from = 1, n = 5, v] = process.argv.slice(2).map(Number)
for (let seed = from; seed < from + n; seed++) {
  const rack = createRack()
  const t0 = stopwatch()
  const c0 = process.cpuUsage()
  const plan = planOf(seed)
  if (v) for (const act of plan.acts) console.log(wordsOfAct(plan, act))
  await runPlan(plan, { office, rack, flaws: {}, ...(v ? { watch: console.log } : {}) }, async (world) => {
    const c = process.cpuUsage(c0)
    console.log(seed, plan.cast.length, 'devices', plan.acts.length, 'acts', world.events, 'events', world.journal.said.length, 'said', world.calm ? 'calm' : 'RESTLESS', (stopwatch() - t0).toFixed(0), 'ms', 'cpu', ((c.user + c.system) / 1000).toFixed(0), world.fingerprint().slice(0, 12), world.journal.waited, world.journal.faults.slice(0, 3), JSON.stringify([...world.journal.fouls]))
  })
  rack.remove()
}
