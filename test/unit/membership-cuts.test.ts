import { describe, expect, test } from 'vitest'
import { LAST } from '../../peer/group/cuts.ts'
import { fromHex, type Incarnation, type PeerId } from '../../shared/ids.ts'
import { type Entry, merge, namesOf, room, type Writer } from '../support/membership.ts'
import { codeOf } from '../support/membership-history.ts'

type Crew = readonly [alice: Writer, bob: Writer, phone: Writer, carol: Writer]
/** Members of a room: alice, bob with a laptop and a phone, carol. */
const crew = (access: 'open' | 'invite' = 'invite'): Crew => {
  const all = room(access, ['alice', 'bob', 'bob.phone', 'carol']) as readonly Writer[] as Crew
  for (const name of ['bob', 'carol']) all[0].invite(name)
  merge(...all)
  return all
}
const codes = (one: Writer, ...entries: Entry[]) => entries.map((entry) => codeOf(one, entry))
const hidden = (one: Writer, log: Writer) => one.state().hiddenRanges(log.user, log.log, one.knowledge)

describe('a record counts', () => {
  test('of a member, and of nobody who never came in as far as it knows', () => {
    const [alice, bob] = crew()
    const words = bob.say()
    alice.sync(bob)
    expect(codes(alice, words)).toEqual([null])
    const [, dave] = room('invite', ['alice', 'dave']) as readonly Writer[] as readonly [Writer, Writer]
    const strange = dave.say()
    alice.sync(dave)
    expect(codes(alice, strange)).toEqual(['not-a-member'])
    expect(hidden(alice, dave)).toEqual([[0, LAST]])
  })

  test('not of who says something before knowing of the invite', () => {
    const [alice, dave] = room('invite', ['alice', 'dave']) as readonly Writer[] as readonly [Writer, Writer]
    const early = dave.say()
    alice.invite('dave')
    dave.sync(alice)
    const late = dave.say()
    alice.sync(dave)
    expect(codes(alice, early, late)).toEqual(['not-a-member', null])
    expect(hidden(alice, dave)).toEqual([[0, 0]])
  })

  test('not of whom only somebody invited who could not', () => {
    const [alice, bob] = crew()
    const [, dave] = room('invite', ['alice', 'dave']) as readonly Writer[] as readonly [Writer, Writer]
    bob.invite('dave')
    dave.sync(bob)
    const words = dave.say()
    alice.sync(dave)
    expect(codes(alice, words)).toEqual(['not-a-member'])
    expect(alice.state().wasMember(dave.user)).toBe(false)
  })

  test('not of who has left, on any device that knows it', () => {
    const [alice, bob, phone] = crew()
    const before = bob.say()
    const leave = bob.leave()
    const after = bob.say()
    const meanwhile = phone.say()
    phone.sync(bob)
    const knowing = phone.say()
    merge(alice, bob, phone)
    expect(codes(alice, before, leave, after, meanwhile, knowing)).toEqual([
      null,
      null,
      'not-a-member',
      null,
      'not-a-member',
    ])
    expect(hidden(alice, bob)).toEqual([[2, LAST]])
    expect(hidden(alice, phone)).toEqual([[1, LAST]])
  })
})

describe('what a removed user wrote', () => {
  test('counts as far as the remover had it, log by log, and no further', () => {
    const [alice, bob, phone] = crew()
    const had = [bob.say(), bob.say(), phone.say()]
    alice.sync(bob, phone)
    alice.remove('bob')
    const more = [bob.say(), phone.say()]
    merge(alice, bob, phone)
    expect(codes(alice, ...had)).toEqual([null, null, null])
    expect(codes(alice, ...more)).toEqual(['removed', 'removed'])
    expect([hidden(alice, bob), hidden(alice, phone)]).toEqual([[[2, LAST]], [[1, LAST]]])
    const tablet = { ...bob.log, device: 'bob.tablet' as PeerId }
    const restored = { ...bob.log, incarnation: '00'.repeat(8) as Incarnation }
    for (const log of [tablet, restored]) {
      expect(alice.state().hiddenRanges(bob.user, log, alice.knowledge)).toEqual([[0, LAST]])
    }
  })

  test('counts where the remover knew of it, even if its heads forget the log', () => {
    const [alice, bob] = crew()
    const said = bob.say()
    const joined = bob.join()
    alice.sync(bob)
    alice.remove('bob', [])
    const more = bob.say()
    alice.sync(bob)
    expect(codes(alice, said, joined, more)).toEqual([null, null, 'removed'])
  })

  test('does not count when it knows of the removal, whatever the heads claim', () => {
    const [alice, bob] = crew()
    alice.remove('bob', [{ device: bob.log.device, inc: fromHex(bob.log.incarnation), seq: 1_000 }])
    const unaware = bob.say()
    bob.sync(alice)
    const aware = bob.say()
    alice.sync(bob)
    // The remover said that it has the first one; that much is for the remover to say.
    expect(codes(alice, unaware, aware)).toEqual([null, 'removed'])
    expect(hidden(alice, bob)).toEqual([[1, LAST]])
  })

  test('has no effect either: neither leaving nor joining', () => {
    const [alice, bob] = crew()
    alice.remove('bob')
    const leave = bob.leave()
    // Who invites bob again need not have heard of that.
    alice.invite('bob')
    alice.sync(bob)
    expect(namesOf(alice.state())).toBe('alice* bob carol')
    expect(codes(alice, leave)).toEqual(['removed'])
  })

  test('counts again from where it knows that it was invited again; what lies between stays hidden', () => {
    const [alice, bob] = crew()
    bob.say()
    alice.sync(bob)
    alice.remove('bob')
    const between = [bob.say(), bob.say()]
    alice.invite('bob')
    bob.sync(alice)
    const again = bob.say()
    alice.sync(bob)
    expect(codes(alice, ...between, again)).toEqual(['removed', 'removed', null])
    expect(hidden(alice, bob)).toEqual([[1, 2]])
  })

  test('is cut by each removal', () => {
    const [alice, bob] = crew()
    alice.remove('bob')
    bob.say()
    alice.invite('bob')
    bob.sync(alice)
    bob.say()
    alice.sync(bob)
    alice.remove('bob')
    bob.say()
    alice.sync(bob)
    expect(hidden(alice, bob)).toEqual([
      [0, 0],
      [2, LAST],
    ])
  })

  test('is told in one piece where nothing counts between', () => {
    const [alice, dave] = room('invite', ['alice', 'dave']) as readonly Writer[] as readonly [Writer, Writer]
    dave.say()
    const invite = alice.invite('dave')
    alice.sync(dave)
    dave.take(invite, alice)
    alice.remove('dave')
    dave.say()
    alice.sync(dave)
    expect(hidden(alice, dave)).toEqual([[0, LAST]])
  })

  test('counts when the removal was void', () => {
    const [alice, bob, , carol] = crew()
    carol.remove('bob')
    const words = bob.say()
    merge(alice, bob, carol)
    expect(codes(alice, words)).toEqual([null])
    expect(hidden(alice, bob)).toEqual([])
  })

  test('is not cited by others, lest they have to fetch it', () => {
    const [alice, bob] = crew()
    const removal = alice.remove('bob')
    const leave = bob.leave()
    alice.sync(bob)
    expect(alice.state().heads).toEqual([removal.hash])
    expect(alice.knowledge.newest()).toContain(leave.hash)
  })
})

test('the key of a message goes to who was in as its author knew: not what was said before, nor in an earlier stay', () => {
  const [alice, bob, , carol] = crew()
  const knownBy = (name: Writer, entry: Entry) =>
    carol.state().entryKnownBy(name.user, carol.knowledge.pastOf(entry.log, entry.seq))
  const first = alice.say()
  alice.remove('bob')
  const second = alice.say()
  alice.invite('bob')
  const third = alice.say()
  carol.sync(alice)
  expect([first, second, third].map((entry) => knownBy(bob, entry))).toEqual([false, false, true])
  expect([first, second, third].map((entry) => knownBy(alice, entry))).toEqual([true, true, true])
})

test('facts that do not count have no effect: nobody is removed by a stolen key, and what depends on them falls', () => {
  const [alice, bob, , carol] = crew()
  alice.grant('bob')
  bob.sync(alice)
  const removal = bob.remove('carol')
  bob.grant('dave')
  merge(alice, bob, carol)
  expect(namesOf(alice.state())).toBe('alice* bob* dave*')
  const untrusted = alice.state(({ user }) => user !== 'bob')
  expect(namesOf(untrusted)).toBe('alice* bob* carol')
  expect(untrusted.heads).not.toContain(removal.hash)
  // The room's own record stands, whatever became of the device that wrote it.
  expect(namesOf(alice.state(({ user }) => user !== 'alice'))).toBe('alice*')
})
