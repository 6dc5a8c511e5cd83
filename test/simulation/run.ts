import { createRack } from './disk.ts'
import { check, INVARIANTS, type Violation } from './invariants/check.ts'
import type { openOffice } from './people.ts'
import { type Plan, wordsOfAct } from './plan.ts'
import { planOf } from './scenario.ts'
import { runPlan, type World } from './world.ts'

export type Flaws = Parameters<typeof runPlan>[1]['flaws']

/** How one seed ended. */
export type Outcome = {
  readonly seed: number
  readonly events: number
  readonly messages: number
  /** Hash of all that happened: the same seed has the same. */
  readonly fingerprint: string
  readonly violations: readonly Violation[]
  /** Of a run that failed: what its people did, a line each. */
  readonly story: readonly string[]
}

/** Plays one seed to its end, and looks at what must be true then. @param flaws what the devices lack, to see it fail */
export const runSeed = async (
  seed: number,
  office: ReturnType<typeof openOffice>,
  flaws: Flaws = {},
): Promise<Outcome> => {
  const plan = planOf(seed)
  const rack = createRack()
  try {
    return await runPlan(plan, { office, rack, flaws }, async (world: World) => {
      const violations = await check(world, rack)
      return {
        seed,
        events: world.events,
        messages: world.journal.said.length,
        fingerprint: world.fingerprint(),
        violations,
        story: violations.length === 0 ? [] : storyOf(plan, violations),
      }
    })
  } finally {
    rack.remove()
  }
}

const storyOf = (plan: Plan, violations: readonly Violation[]): string[] => [
  ...violations.slice(0, SHOWN).map(({ invariant, detail }) => `${invariant}: ${INVARIANTS[invariant]}: ${detail}`),
  ...plan.acts.map((act) => wordsOfAct(plan, act)),
]

const SHOWN = 10
