import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Membership } from '../../peer/group/membership.ts'
import type { RecordHash, UserName } from '../../shared/ids.ts'
import { type Entry, merge, namesOf, type Writer, writer } from '../support/membership.ts'
import {
  ATTEMPTS,
  act,
  anyStory,
  anyWrites,
  bodyOf,
  codeOf,
  shuffled,
  subjectOf,
  tell,
  viewOf,
} from '../support/membership-history.ts'
import { rulesOf } from '../support/membership-rules.ts'

// Histories of several devices that know different things, half of them by the rules and half against them.

const SEED = Number(process.env.LANYARD_SEED ?? Date.now() % 2 ** 31)
console.log(`membership-properties.test: LANYARD_SEED=${SEED}`)
const TIMES = Number(process.env.LANYARD_TIMES ?? 1) // as many histories as usual
const TIMEOUT_MS = 120_000 * TIMES
const holds = (runs: number, property: Parameters<typeof fc.assert>[0]): void =>
  void fc.assert(property, { seed: SEED, numRuns: runs * TIMES })

/** One who holds all that anybody wrote. */
const all = (writers: readonly Writer[]): Writer => {
  const one = writer('all')
  one.sync(...writers)
  return one
}
const entriesOf = (one: Writer): readonly Entry[] => [...one.held.values()]
const roomOf = ({ members, settings }: Membership) => ({ members: [...members], settings })
const knows = (one: Writer, entry: Entry, fact: { readonly hash: RecordHash }): boolean =>
  one.knowledge.knows(entry.log, entry.seq, fact.hash)

test('the same facts give the same room, in whatever order and however often they come', {
  timeout: TIMEOUT_MS,
}, () => {
  holds(
    30,
    fc.property(anyStory(), fc.nat(), (story, order) => {
      const { writers } = tell(story)
      const whole = all(writers)
      const expected = viewOf(whole)
      const late = writer('late')
      for (const entry of shuffled(entriesOf(whole), order)) late.take(entry, whole)
      const facts = late.facts()
      expect(viewOf(late, shuffled([...facts, ...facts], order))).toEqual(expected)
      merge(...writers)
      for (const one of writers) expect(viewOf(one)).toEqual(expected)
    }),
  )
})

test('what is computed is what the rules say, whatever somebody knows', { timeout: TIMEOUT_MS }, () => {
  holds(
    80,
    fc.property(anyStory(), (story) => {
      const { writers } = tell(story)
      for (const one of [...writers, all(writers)]) {
        const rules = rulesOf(entriesOf(one))
        const state = one.state()
        expect(namesOf(state)).toBe(rules.members.join(' '))
        expect(state.settings.name).toBe(rules.name)
        for (const entry of one.held.values()) expect(codeOf(one, entry, state)).toBe(rules.judge(entry))
      }
    }),
  )
})

test('the ranges that are hidden are those of the records that count for nobody', { timeout: TIMEOUT_MS }, () => {
  holds(
    80,
    fc.property(anyStory(), (story) => {
      const whole = all(tell(story).writers)
      const state = whole.state()
      for (const entry of whole.held.values()) {
        // Of an operation it is asked whether it is shown, as of a message; it may have effect all the same.
        const isEntry = entry.body?.kind === 'join' || entry.body?.kind === 'room'
        const past = whole.knowledge.pastOf(entry.log, entry.seq)
        const fact = isEntry ? whole.fact(entry) : undefined
        const ranges = state.hiddenRanges(entry.user, entry.log, whole.knowledge)
        const isHidden = ranges.some(([from, to]) => from <= entry.seq && entry.seq <= to)
        expect(isHidden).toBe(state.judge(entry.user, entry.log, entry.seq, past, fact) !== null)
      }
    }),
  )
})

test('what counts for nobody may as well not be there', { timeout: TIMEOUT_MS }, () => {
  holds(
    80,
    fc.property(anyStory(), fc.nat(), (story, order) => {
      const whole = all(tell(story).writers)
      // Takes what counts by what it holds with what that builds on, as nobody judges a record before it has all that it cites:
      // whom somebody brought back who is void has a say by that. And asks again until nothing is left that counts.
      const strict = writer('strict')
      const founding = entriesOf(whole).find(({ body }) => body?.kind === 'room')
      if (founding === undefined) return
      strict.take(founding, whole)
      for (let size = 0; size < strict.held.size; ) {
        size = strict.held.size
        for (const entry of shuffled(entriesOf(whole), order)) {
          if (strict.held.has(entry.hash)) continue
          const judge = writer('judge')
          judge.sync(strict)
          judge.take(entry, whole)
          if (codeOf(judge, entry) === null) strict.take(entry, whole)
        }
      }
      expect(roomOf(strict.state())).toEqual(roomOf(whole.state()))
      const counting = (one: Writer) =>
        entriesOf(one)
          .filter((entry) => codeOf(one, entry) === null)
          .map(({ hash }) => hash)
          .sort()
      expect(counting(strict)).toEqual(counting(whole))
    }),
  )
})

describe('who was removed', () => {
  test('writes nothing that counts, past what the remover had', { timeout: TIMEOUT_MS }, () => {
    holds(
      80,
      fc.property(anyStory(), (story) => {
        const { writers, heldBy } = tell(story)
        const whole = all(writers)
        const entries = entriesOf(whole)
        const { valid } = rulesOf(entries)
        for (const removal of entries) {
          const held = heldBy.get(removal.hash)
          const user = subjectOf(removal)
          if (removal.body?.kind !== 'remove' || held === undefined || !valid.has(removal.hash)) continue
          const pardons = entries.filter(
            (one) => subjectOf(one) === user && one.body?.kind !== 'remove' && knows(whole, one, removal),
          )
          for (const entry of entries) {
            if (entry.user !== user || held.has(entry.hash) || pardons.some((pardon) => knows(whole, entry, pardon)))
              continue
            expect(codeOf(whole, entry)).not.toBeNull()
          }
        }
      }),
    )
  })

  test('does not come back by what is done without knowing of it', { timeout: TIMEOUT_MS }, () => {
    holds(
      80,
      fc.property(anyStory(), anyWrites(), (story, writes) => {
        const { writers } = tell(story)
        const whole = all(writers)
        const before = whole.state()
        const { valid } = rulesOf(entriesOf(whole))
        const granted = new Set(
          entriesOf(whole)
            .filter(({ hash, body }) => valid.has(hash) && body?.kind === 'grant' && body.admin)
            .map(subjectOf),
        )
        const isNobody = (user: string): boolean => user !== 'alice' && !granted.has(user)
        const removals = entriesOf(whole).filter(
          ({ hash, body }) =>
            body?.kind === 'remove' &&
            valid.has(hash) &&
            isNobody(body.user) &&
            !before.members.has(body.user as UserName),
        )
        // All who never were admins put their heads together, on devices that never heard of the removals.
        const rogues = ['bob', 'carol', 'dave', 'erin'].filter(isNobody).map((user) => writer(`${user}.rogue`))
        for (const rogue of rogues) {
          for (const entry of whole.held.values()) {
            if (!removals.some((removal) => removal === entry || knows(whole, entry, removal))) rogue.take(entry, whole)
          }
        }
        for (const write of writes) {
          const rogue = rogues[write.by % Math.max(rogues.length, 1)]
          if (rogue === undefined) return
          act(rogue, write)
          if (write.what % 2 === 0) rogue.sync(...rogues)
        }
        whole.sync(...rogues)
        const after = whole.state()
        for (const removal of removals) expect(after.members.has(subjectOf(removal) as UserName)).toBe(false)
        expect(after.settings).toEqual(before.settings)
        const adminsOf = ({ members }: Membership) =>
          [...members].filter(([, { admin }]) => admin).map(([name]) => name)
        expect(adminsOf(after)).toEqual(adminsOf(before))
      }),
    )
  })
})

test('of two admins who remove each other the senior one stays, whatever else they and their friends do meanwhile', {
  timeout: TIMEOUT_MS,
}, () => {
  holds(
    60,
    fc.property(anyStory(), fc.nat(), anyWrites(), (story, order, writes) => {
      const { writers } = tell(story)
      merge(...writers)
      const before = all(writers).state()
      const admins = [...before.members].filter(([, { admin }]) => admin).map(([name]) => name)
      const [one, other] = [admins[order % admins.length], admins[(order + 1) % admins.length]]
      if (one === undefined || other === undefined || one === other) return
      const rank = (name: UserName) => before.members.get(name)?.rank ?? { depth: Infinity, grant: '' }
      const isJunior = (a: UserName, b: UserName): boolean =>
        rank(a).depth > rank(b).depth || (rank(a).depth === rank(b).depth && rank(a).grant > rank(b).grant)
      const [senior, junior] = isJunior(other, one) ? [one, other] : [other, one]
      // All members who are junior to the one help the other. (An admin who has left has its rank still, and is no member.)
      const bySenior = writers.filter(({ user }) => user === senior)
      const byJunior = writers.filter(({ user }) => before.members.has(user) && isJunior(user, senior))
      bySenior[0]?.remove(junior)
      bySenior[0]?.invite('yan')
      byJunior.find(({ user }) => user === junior)?.remove(senior)
      byJunior.find(({ user }) => user === junior)?.invite('zoe')
      for (const write of writes) {
        const by = byJunior[write.by % byJunior.length]
        if (by !== undefined) act(by, write)
        by?.sync(...byJunior)
      }
      const views = [0, 1, 2].map((at) => {
        const whole = writer('late')
        const from = all(writers)
        for (const entry of shuffled(entriesOf(from), order + at)) whole.take(entry, from)
        return namesOf(whole.state())
      })
      expect(new Set(views).size).toBe(1)
      const { members } = all(writers).state()
      expect([senior, junior, 'yan', 'zoe'].map((name) => members.get(name as UserName)?.admin)).toEqual([
        true,
        undefined,
        false,
        undefined,
      ])
    }),
  )
})

test('somebody who knows everything changes only what the fact is about, and exactly when it is allowed', {
  timeout: TIMEOUT_MS,
}, () => {
  holds(
    80,
    fc.property(anyStory(), fc.nat(), fc.nat(), (story, who, what) => {
      const { writers } = tell(story)
      merge(...writers)
      const by = writers[who % writers.length]
      const attempt = ATTEMPTS[what % ATTEMPTS.length]
      if (by === undefined || attempt === undefined || attempt.kind === 'message') return
      const before = by.state()
      const refused = before.allowed(by.user, attempt)
      // Of an admin who has left it is not certain to all that what brings it back is valid: it may have a say too early.
      if (before.wasMember(by.user) && refused?.code === 'not-a-member' && refused.detail === by.user) return
      // Who grants also invites; but nobody is made an admin unawares of not being there.
      if (refused?.code === 'not-a-member' && attempt.kind === 'grant' && before.members.get(by.user)?.admin === true)
        return
      const entry = by.write(bodyOf(by, attempt, 'held', what))
      const after = by.state()
      const subject = subjectOf(entry) ?? by.user
      const others = ({ members }: Membership) => [...members].filter(([name]) => name !== subject)
      expect(others(after)).toEqual(others(before))
      const is = (user: string) => after.members.get(user as UserName)
      if (refused !== null) {
        const was = before.members.get(subject as UserName)
        expect([is(subject) !== undefined, is(subject)?.admin, after.settings]).toEqual([
          was !== undefined,
          was?.admin,
          before.settings,
        ])
        return
      }
      expect(codeOf(by, entry)).toBeNull()
      switch (attempt.kind) {
        case 'invite':
          expect(is(attempt.user)).toMatchObject({ joined: false, entry: entry.hash })
          break
        case 'join':
          expect(is(by.user)).toMatchObject({ joined: true })
          break
        case 'leave':
          expect(is(by.user)).toBeUndefined()
          break
        case 'remove':
          expect(is(attempt.user)).toBeUndefined()
          expect(after.allowed(attempt.user as UserName, { kind: 'join' })?.code).toBe('removed')
          break
        case 'grant':
          expect(is(attempt.user)?.admin).toBe(attempt.admin)
          break
        case 'settings':
          expect(after.settings.name).toBe(`room ${what}`)
      }
    }),
  )
})
