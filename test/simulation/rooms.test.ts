import { describe, expect, test } from 'vitest'
import { openOffice } from './people.ts'
import { type Flaws, runSeed } from './run.ts'

// The parts that ship, over a simulated network, disk and clock: README.md beside this tells how.

const office = openOffice()
const FIRST = 1
const SEEDS = 40

test.for(Array.from({ length: SEEDS / 10 }, (_, at) => FIRST + at * 10))(
  'ten runs end as they must, from seed %i',
  { timeout: 300_000 },
  async (from) => {
    for (let seed = from; seed < from + 10; seed++) {
      const { violations, story } = await runSeed(seed, office)
      expect(violations, `seed ${seed}\n${story.join('\n')}`).toEqual([])
    }
  },
)

test('the same seed is the same run', { timeout: 120_000 }, async () => {
  const [first, second] = [await runSeed(2, office), await runSeed(2, office)]
  expect(second).toEqual(first)
})

describe('a device that lacks', () => {
  const lacking: readonly (readonly [string, Flaws])[] = [
    ['rotation', { rotation: true }],
    ['the key service', { keyService: true }],
    ['the membership check', { membershipCheck: true }],
    ['the commitment check', { commitmentCheck: true }],
    ['the persistence order', { persistenceOrder: true }],
  ]
  test.for(lacking)('%s is found out', { timeout: 300_000 }, async ([, flaws]) => {
    let failed = false
    for (let seed = FIRST; seed < FIRST + SEEDS && !failed; seed++) {
      failed = (await runSeed(seed, office, flaws)).violations.length > 0
    }
    expect(failed).toBe(true)
  })
})
