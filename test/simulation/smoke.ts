import { toRecordHash } from '../../shared/ids.ts'
import { isMembershipKind, membershipBodyOf } from '../../shared/wire/membership.ts'
import { createRack } from './disk.ts'
import { gather, wordsOf } from './evidence.ts'
import { check } from './invariants/check.ts'
import { openOffice } from './people.ts'
import { wordsOfAct } from './plan.ts'
import { referencesOf } from './reference.ts'
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
    console.log(
      seed,
      plan.cast.length,
      'devices',
      plan.acts.length,
      'acts',
      world.events,
      'events',
      world.journal.said.length,
      'said',
      world.calm ? 'calm' : 'RESTLESS',
      (stopwatch() - t0).toFixed(0),
      'ms',
      'cpu',
      ((c.user + c.system) / 1000).toFixed(0),
      world.fingerprint().slice(0, 12),
      JSON.stringify([...world.journal.fouls]),
    )
    if (v)
      for (const r of referencesOf(gather(world))) {
        console.log(
          'ROOM',
          r.kind,
          r.room.slice(0, 6),
          r.openTo,
          'members',
          r.members.map(({ seat }) => seat.name).join(),
        )
        const names = new Map(r.records.map((k) => [k.hash, wordsOf(gather(world), k)]))
        for (const k of r.records)
          if (v > 1 || !['message', 'receipt', 'sender-key'].includes(k.header.kind)) {
            const said = isMembershipKind(k.header.kind) ? (membershipBodyOf(k.header.kind, k.body!) as any) : {}
            console.log(
              '   ',
              k.header.time.join('.'),
              wordsOf(gather(world), k),
              r.isHidden(k) ? 'HIDDEN' : '',
              JSON.stringify({
                ...said,
                nonce: undefined,
                kind: undefined,
                heads: said.heads?.map((h: any) => `${h.device.slice(-3)}/${h.seq}`),
              }),
              'after',
              k.header.after.map((h) => names.get(toRecordHash(h))).join(', '),
            )
          }
      }
    const found = await check(world, rack)
    for (const { invariant, detail } of found.slice(0, 12))
      console.log('   ', invariant, detail.slice(0, v ? 5000 : 400))
  })
  rack.remove()
}
