import type { Flaws } from './device.ts'
import { createRack } from './disk.ts'
import { check, INVARIANTS, type Violation } from './invariants/check.ts'
import { openOffice } from './people.ts'
import { nameOfSeat, type Plan, wordsOfAct } from './plan.ts'
import { planOf } from './scenario.ts'
import { runPlan } from './world.ts'

/** What a run came to. */
export type Result = {
  readonly events: number
  readonly messages: number
  readonly devices: number
  /** The same for the same plan, in every process. */
  readonly fingerprint: string
  readonly violations: readonly Violation[]
}

/** Runs plans, one after the other, in this process. */
export const createRunner = () => {
  const office = openOffice()
  const run = async (plan: Plan, flaws: Flaws = {}, watch?: (line: string) => void): Promise<Result> => {
    const rack = createRack()
    try {
      return await runPlan(plan, { office, rack, flaws, ...(watch === undefined ? {} : { watch }) }, async (world) => {
        const fingerprint = world.fingerprint()
        const { events, journal } = world
        const messages = [...journal.signed.values()].filter(({ record }) => record.header.kind === 'message').length
        const violations = await check(world, rack)
        return { events, messages, devices: plan.cast.length, fingerprint, violations }
      })
    } catch (error) {
      const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
      return {
        events: 0,
        messages: 0,
        devices: plan.cast.length,
        fingerprint: '',
        violations: [{ invariant: 'rest', detail }],
      }
    } finally {
      rack.remove()
    }
  }
  return { run, seed: (seed: number, flaws?: Flaws): Promise<Result> => run(planOf(seed), flaws) }
}

export type Runner = ReturnType<typeof createRunner>

const TRIES = 60 // runs to make a story shorter: half a minute

/** Leaves out acts as long as the same invariant is still violated. */
export const minimise = async (runner: Runner, plan: Plan, violation: Violation, flaws: Flaws = {}): Promise<Plan> => {
  let tries = TRIES
  const fails = async (acts: Plan['acts']): Promise<boolean> => {
    if (tries-- <= 0) return false
    const { violations } = await runner.run({ ...plan, acts }, flaws)
    return violations.some(({ invariant }) => invariant === violation.invariant)
  }
  let acts = plan.acts
  for (let size = Math.ceil(acts.length / 2); size >= 1 && tries > 0; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < acts.length; ) {
      const fewer = acts.toSpliced(at, size)
      if (await fails(fewer)) acts = fewer
      else at += size
    }
  }
  return { ...plan, acts }
}

/** A plan and what went wrong with it, for people. */
export const storyOf = (plan: Plan, { invariant, detail }: Violation): string => {
  const clocks = plan.cast.flatMap(({ skewMs, evil, startsAt }, seat) => {
    const oddities = [
      ...(evil ? ['evil'] : []),
      ...(Math.abs(skewMs) > 1_000 ? [`clock ${(skewMs / 3_600_000).toFixed(1)} h ahead`] : []),
      ...(startsAt > 0 ? [`starts at ${(startsAt / 1_000).toFixed(1)} s`] : []),
    ]
    return `${nameOfSeat(plan, seat)}${oddities.length === 0 ? '' : ` (${oddities.join(', ')})`}`
  })
  return [
    `invariant ${invariant}: ${INVARIANTS[invariant]}`,
    `seed ${plan.seed}, devices: ${clocks.join(', ')}`,
    `network: ${JSON.stringify(plan.weather)}`,
    ...plan.acts.map((act) => wordsOfAct(plan, act)),
    `→ ${detail}`,
  ].join('\n')
}
