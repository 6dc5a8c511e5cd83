import { describe, expect, test } from 'vitest'
import type { UserName } from '../../shared/ids.ts'
import { merge, namesOf, room, type Writer } from '../support/membership.ts'

type Crew = readonly [alice: Writer, bob: Writer, carol: Writer, dave: Writer]
/** Members of a room by invitation; each of `admins` is granted by the one before. */
const crew = (...admins: readonly ('alice' | 'bob' | 'carol' | 'dave')[]): Crew => {
  const all = room('invite', ['alice', 'bob', 'carol', 'dave']) as readonly Writer[] as Crew
  for (const name of ['bob', 'carol', 'dave']) all[0].invite(name)
  merge(...all)
  for (const [at, name] of admins.entries()) {
    const by = all.find(({ user }) => user === (admins[at - 1] ?? 'alice'))
    by?.grant(name)
    merge(...all)
  }
  return all
}
const namesAt = (writers: readonly Writer[]) => new Set(writers.map((one) => namesOf(one.state())))

test('who is granted is an admin, as deep as who granted and one more', () => {
  const [alice] = crew('bob', 'carol')
  expect(namesOf(alice.state())).toBe('alice* bob* carol* dave')
  const rank = (name: string) => alice.state().members.get(name as UserName)?.rank?.depth
  expect(['alice', 'bob', 'carol', 'dave'].map(rank)).toEqual([0, 1, 2, undefined])
})

test('who is no admin grants, invites and removes nobody', () => {
  const [alice, bob, carol] = crew()
  bob.grant('bob')
  bob.grant('carol')
  bob.invite('erin')
  bob.remove('dave')
  merge(alice, bob, carol)
  expect(namesOf(alice.state())).toBe('alice* bob carol dave')
})

test('an operation counts only when its author knew of the grant', () => {
  const [alice, bob] = crew()
  bob.invite('erin')
  alice.grant('bob')
  merge(alice, bob)
  expect(namesOf(alice.state())).toBe('alice* bob* carol dave')
  bob.invite('frank')
  expect(namesOf(bob.state())).toBe('alice* bob* carol dave frank')
})

describe('an admin whose grant is withdrawn', () => {
  test('stays a member', () => {
    const [alice] = crew('bob')
    alice.grant('bob', false)
    expect(namesOf(alice.state())).toBe('alice* bob carol dave')
  })

  test('leaves what was done before, and what is done at the same time does not count', () => {
    const [alice, bob] = crew('bob')
    bob.invite('erin')
    alice.sync(bob)
    alice.grant('bob', false)
    bob.invite('frank')
    merge(alice, bob)
    expect(namesOf(alice.state())).toBe('alice* bob carol dave erin')
    expect(namesAt([alice, bob]).size).toBe(1)
  })

  test('has no say that others could lend: whom it granted meanwhile is no admin, nor whom that one granted', () => {
    const [alice, bob, carol, dave] = crew('bob')
    alice.grant('bob', false)
    bob.grant('carol')
    carol.sync(bob)
    carol.grant('dave')
    dave.sync(carol)
    dave.remove('alice')
    dave.invite('erin')
    merge(alice, bob, carol, dave)
    expect(namesOf(alice.state())).toBe('alice* bob carol dave')
  })

  test('is an admin again by a grant that knows of it, not by one at the same time', () => {
    const [alice, bob, carol] = crew('carol', 'bob')
    alice.grant('bob', false)
    carol.grant('bob')
    merge(alice, bob, carol)
    expect(namesOf(alice.state())).toBe('alice* bob carol* dave')
    carol.grant('bob')
    bob.sync(carol)
    bob.invite('erin')
    expect(namesOf(bob.state())).toBe('alice* bob* carol* dave erin')
  })

  test('can be removed by admins who were junior to it, once they know', () => {
    const [alice, bob, carol] = crew('bob', 'carol')
    alice.grant('bob', false)
    carol.remove('bob')
    merge(alice, bob, carol)
    expect(namesOf(alice.state())).toBe('alice* bob carol* dave')
    carol.remove('bob')
    expect(namesOf(carol.state())).toBe('alice* carol* dave')
  })
})

describe('an admin who is removed', () => {
  test('undoes nothing at the same time: not the removal, and not the remover', () => {
    const [alice, bob] = crew('bob')
    alice.remove('bob')
    bob.remove('alice')
    bob.remove('carol')
    bob.invite('erin')
    bob.grant('dave')
    merge(alice, bob)
    expect(namesOf(alice.state())).toBe('alice* carol dave')
    expect(namesAt([alice, bob]).size).toBe(1)
  })

  test('comes back by an invite as a member, and by a grant as an admin', () => {
    const [alice, bob] = crew('bob')
    alice.remove('bob')
    alice.invite('bob')
    expect(namesOf(alice.state())).toBe('alice* bob carol dave')
    alice.remove('bob')
    alice.grant('bob')
    bob.sync(alice)
    bob.invite('erin')
    expect(namesOf(bob.state())).toBe('alice* bob* carol dave erin')
  })
})

describe('seniority', () => {
  test('nobody is removed by a junior, and the creator by nobody', () => {
    const [alice, bob, carol] = crew('bob', 'carol')
    carol.remove('bob')
    carol.grant('bob', false)
    carol.remove('alice')
    bob.remove('alice')
    merge(alice, bob, carol)
    expect(namesOf(alice.state())).toBe('alice* bob* carol* dave')
  })

  test('nobody removes itself: one leaves', () => {
    const [, bob] = crew('bob')
    bob.remove('bob')
    expect(namesOf(bob.state())).toBe('alice* bob* carol dave')
  })

  test('of two admins who remove each other the one nearer to the creator stays, in every order', () => {
    const [alice, bob, carol, dave] = crew('bob', 'carol')
    bob.remove('carol')
    carol.remove('bob')
    alice.sync(bob, carol)
    dave.sync(carol, bob)
    merge(bob, carol)
    expect(namesAt([alice, bob, carol, dave])).toEqual(new Set(['alice* bob* dave']))
  })

  test('in one depth the lower hash of the grant is senior', () => {
    const [alice, bob, carol] = crew()
    const grants = ['bob', 'carol'].map((name) => [alice.grant(name).hash, name] as const)
    merge(alice, bob, carol)
    bob.remove('carol')
    carol.remove('bob')
    merge(alice, bob, carol)
    const senior = [...grants].sort()[0]?.[1]
    expect(namesAt([alice, bob, carol])).toEqual(new Set([`alice* ${senior}* dave`]))
  })

  test('is that of the best grant', () => {
    const [alice, bob] = crew('carol', 'bob')
    alice.grant('bob')
    bob.sync(alice)
    const rank = (name: string) => bob.state().members.get(name as UserName)?.rank?.depth
    expect([rank('carol'), rank('bob')]).toEqual([1, 1])
  })

  test('in a row of three the middle one, removed, removes nobody', () => {
    const [alice, bob, carol, dave] = crew('bob', 'carol', 'dave')
    bob.remove('carol')
    carol.remove('dave')
    merge(alice, bob, carol, dave)
    expect(namesOf(alice.state())).toBe('alice* bob* dave*')
  })
})

test('an admin with two grants does each thing with the best that it knew: what came later may be the more senior', () => {
  const names = ['bob', 'carol', 'dave', 'erin', 'frank']
  const all = room('invite', ['alice', ...names])
  const by = (name: string) => all.find(({ user }) => user === name) as Writer
  for (const name of names) by('alice').invite(name)
  for (const [from, to] of [
    ['alice', 'carol'],
    ['carol', 'dave'],
    ['dave', 'bob'],
    ['bob', 'frank'],
  ] as const) {
    merge(...all)
    by(from).grant(to)
  }
  merge(...all)
  by('bob').remove('erin')
  by('frank').sync(by('bob'))
  by('frank').grant('erin')
  by('alice').grant('bob')
  by('bob').sync(by('alice'))
  by('bob').remove('erin')
  merge(...all)
  // The grant knew of the first removal, not of the second, by the same admin.
  expect(namesOf(by('alice').state())).toBe('alice* bob* carol* dave* frank*')
})

describe('an admin who has left', () => {
  test('does nothing more in the room', () => {
    const [alice, bob] = crew('bob')
    bob.leave()
    bob.invite('bob')
    bob.invite('erin')
    alice.sync(bob)
    expect(namesOf(alice.state())).toBe('alice* carol dave')
  })

  test('is an admin again when invited again: nobody took it away', () => {
    const [alice, bob] = crew('bob')
    bob.leave()
    alice.sync(bob)
    alice.invite('bob')
    bob.sync(alice)
    bob.invite('erin')
    expect(namesOf(bob.state())).toBe('alice* bob* carol dave erin')
  })

  test('does not come back by a join of its own', () => {
    const [alice, bob] = crew('bob')
    bob.leave()
    bob.join()
    bob.invite('erin')
    alice.sync(bob)
    expect(namesOf(alice.state())).toBe('alice* carol dave')
  })

  test('while it was being removed has left nothing behind: made an admin again, it has its say', () => {
    const [alice, bob] = crew('bob')
    alice.remove('bob')
    bob.leave()
    alice.grant('bob')
    bob.sync(alice)
    bob.invite('erin')
    alice.sync(bob)
    expect(namesOf(alice.state())).toBe('alice* bob* carol dave erin')
  })

  // LANYARD_SEED=2143308925 of membership-properties: who has the second grant has the first, whose author it cites.
  test('has its say when somebody void has brought it back: that is not asked, and is the same for all', () => {
    const [alice, bob, carol] = crew('bob', 'carol')
    alice.remove('carol')
    carol.grant('bob')
    bob.leave()
    bob.sync(carol)
    bob.invite('erin')
    merge(alice, bob, carol)
    expect(namesAt([alice, bob, carol])).toEqual(new Set(['alice* dave erin']))
  })
})
