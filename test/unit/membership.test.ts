import { describe, expect, test } from 'vitest'
import type { UserName } from '../../shared/ids.ts'
import { merge, namesOf, room, type Writer } from '../support/membership.ts'

type Crew = readonly [alice: Writer, bob: Writer, carol: Writer, dave: Writer]
const crew = (access: 'open' | 'invite', ...names: string[]) =>
  room(access, ['alice', 'bob', 'carol', 'dave', ...names]) as readonly Writer[] as Crew
const user = (name: string) => name as UserName

describe('a room by invitation', () => {
  test('has its creator, who is its admin, and whom an admin invites', () => {
    const [alice, bob] = crew('invite')
    expect(namesOf(alice.state())).toBe('alice*')
    alice.invite('bob')
    bob.sync(alice)
    expect(namesOf(bob.state())).toBe('alice* bob')
  })

  test('takes nobody in who just joins', () => {
    const [alice, bob] = crew('invite')
    bob.join()
    alice.sync(bob)
    expect(namesOf(alice.state())).toBe('alice*')
    expect(alice.state().wasMember(user('bob'))).toBe(false)
  })

  test('is joined by taking an invite up, which changes nothing else', () => {
    const [alice, bob] = crew('invite')
    const invite = alice.invite('bob')
    bob.sync(alice)
    const member = { admin: false, rank: null, entry: invite.hash }
    expect(bob.state().members.get(user('bob'))).toEqual({ ...member, joined: false })
    bob.join()
    expect(bob.state().members.get(user('bob'))).toEqual({ ...member, joined: true })
  })

  test('does not take somebody back by a join: who left is invited by somebody who knows it', () => {
    const [alice, bob] = crew('invite')
    alice.invite('bob')
    bob.sync(alice)
    bob.leave()
    bob.join()
    merge(alice, bob)
    expect(namesOf(alice.state())).toBe('alice*')
    alice.invite('bob')
    expect(namesOf(alice.state())).toBe('alice* bob')
  })
})

describe('an open room', () => {
  test('is joined by whoever likes', () => {
    const [alice, bob] = crew('open')
    const join = bob.join()
    alice.sync(bob)
    expect(alice.state().members.get(user('bob'))).toMatchObject({ joined: true, entry: join.hash })
  })

  test('is left, and joined again', () => {
    const [, bob] = crew('open')
    bob.join()
    bob.leave()
    expect(namesOf(bob.state())).toBe('alice*')
    expect(bob.state().wasMember(user('bob'))).toBe(true)
    bob.join()
    expect(namesOf(bob.state())).toBe('alice* bob')
  })

  test('has nobody back by a join who was removed, until an admin who knows of the removal invites', () => {
    const [alice, bob] = crew('open')
    bob.join()
    alice.sync(bob)
    alice.remove('bob')
    bob.sync(alice)
    bob.join()
    alice.sync(bob)
    expect(namesOf(alice.state())).toBe('alice*')
    alice.invite('bob')
    expect(namesOf(alice.state())).toBe('alice* bob')
    // From then on the user comes and goes again.
    bob.sync(alice)
    bob.leave()
    bob.join()
    expect(namesOf(bob.state())).toBe('alice* bob')
  })

  test('can be closed to somebody who has not come yet', () => {
    const [alice, bob] = crew('open')
    alice.remove('bob')
    bob.join()
    merge(alice, bob)
    expect(namesOf(bob.state())).toBe('alice*')
  })
})

describe('at the same time', () => {
  test('a removal wins over an invite', () => {
    const [alice, bob, carol] = crew('invite')
    for (const name of ['bob', 'carol']) alice.invite(name)
    alice.grant('carol')
    merge(alice, bob, carol)
    alice.remove('bob')
    carol.invite('bob')
    merge(alice, bob, carol)
    expect([alice, bob, carol].map((one) => namesOf(one.state()))).toEqual(Array(3).fill('alice* carol*'))
  })

  test('a removal wins over a join', () => {
    const [alice, bob] = crew('open')
    bob.join()
    alice.sync(bob)
    bob.leave()
    bob.join()
    alice.remove('bob')
    merge(alice, bob)
    expect(namesOf(bob.state())).toBe('alice*')
  })

  test('a leave wins over an invite', () => {
    const [alice, bob, carol] = crew('invite')
    for (const name of ['bob', 'carol']) alice.invite(name)
    alice.grant('carol')
    merge(alice, bob, carol)
    bob.leave()
    carol.invite('bob')
    merge(alice, bob, carol)
    expect(namesOf(alice.state())).toBe('alice* carol*')
  })

  test('two invites make one member, whose entry is the earlier one for all', () => {
    const [alice, bob, carol] = crew('invite')
    alice.invite('carol')
    alice.grant('carol')
    carol.sync(alice)
    const late = carol.write({ kind: 'invite', user: 'bob' }, { time: { ms: 1_000, count: 0 } })
    alice.set({ topic: 'more to know' })
    const early = alice.write({ kind: 'invite', user: 'bob' }, { time: { ms: 500, count: 0 } })
    bob.sync(carol, alice)
    alice.sync(carol)
    expect(late.time.ms).toBeGreaterThan(early.time.ms)
    for (const one of [alice, bob]) expect(one.state().members.get(user('bob'))?.entry).toBe(early.hash)
  })
})

describe('the creator', () => {
  test('may leave, and comes back when another admin invites, as an admin', () => {
    const [alice, bob] = crew('invite')
    alice.invite('bob')
    alice.grant('bob')
    alice.leave()
    bob.sync(alice)
    expect(namesOf(bob.state())).toBe('bob*')
    bob.invite('alice')
    expect(namesOf(bob.state())).toBe('alice* bob*')
  })

  test('does not come back by founding the room again', () => {
    const [alice] = crew('invite')
    alice.leave()
    const founding = [...alice.held.values()].find(({ body }) => body?.kind === 'room')
    alice.write(founding?.body ?? null)
    alice.invite('bob')
    expect(namesOf(alice.state())).toBe('')
  })

  test('is who founded it: a copy of the founding record by another user founds nothing', () => {
    const [alice, bob] = crew('invite')
    const founding = [...alice.held.values()].find(({ body }) => body?.kind === 'room')
    bob.write(founding?.body ?? null)
    alice.sync(bob)
    expect(namesOf(alice.state())).toBe('alice*')
  })

  test('may found it from two devices: it is one room with one entry', () => {
    const [alice, phone] = room('invite', ['alice', 'alice.phone'])
    const founding = [...(alice?.held.values() ?? [])][0]
    if (alice === undefined || phone === undefined || founding === undefined) return
    phone.write(founding.body, { after: [], time: { ms: 0, count: 0 } })
    const hashes = [alice, phone].map((one) => {
      merge(alice, phone)
      return one.state().members.get(user('alice'))?.entry
    })
    expect(hashes[0]).toBe(hashes[1])
  })
})

describe('settings', () => {
  test('change by an admin, each by itself; the rest stays', () => {
    const [alice] = crew('invite')
    expect(alice.state().settings).toEqual({ name: 'a room', topic: '', keepMs: 0, keepMessages: 0 })
    alice.set({ topic: 'tea', keepMs: 5 })
    alice.set({ name: 'kitchen' })
    expect(alice.state().settings).toEqual({ name: 'kitchen', topic: 'tea', keepMs: 5, keepMessages: 0 })
  })

  test('do not change by who is no admin', () => {
    const [alice, bob] = crew('invite')
    alice.invite('bob')
    bob.sync(alice)
    bob.set({ name: 'mine' })
    expect(bob.state().settings.name).toBe('a room')
  })

  test('made at the same time: the later time wins, for all', () => {
    const [alice, bob] = crew('invite')
    alice.invite('bob')
    alice.grant('bob')
    bob.sync(alice)
    alice.write({ kind: 'settings', name: 'late' }, { time: { ms: 900, count: 1 } })
    bob.write({ kind: 'settings', name: 'early' }, { time: { ms: 900, count: 0 } })
    merge(alice, bob)
    expect([alice, bob].map((one) => one.state().settings.name)).toEqual(['late', 'late'])
  })

  test('made in knowledge of others win, whatever the clocks said', () => {
    const [alice, bob] = crew('invite')
    alice.invite('bob')
    alice.grant('bob')
    bob.sync(alice)
    alice.write({ kind: 'settings', name: 'from the future' }, { time: { ms: 9_000_000, count: 0 } })
    bob.sync(alice)
    bob.write({ kind: 'settings', name: 'now' }, { time: { ms: 100, count: 0 } })
    alice.sync(bob)
    expect(alice.state().settings.name).toBe('now')
  })
})

describe('what is refused before it is written', () => {
  const [alice, bob, carol] = crew('invite')
  for (const name of ['bob', 'carol']) alice.invite(name)
  alice.grant('bob')
  alice.remove('dave')
  merge(alice, bob, carol)
  carol.join()
  const [, , , odd] = crew('open')
  const open = crew('open')
  open[0].remove('bob')
  const TABLE = [
    ['a member invites', carol, { kind: 'invite', user: 'erin' }, 'not-an-admin'],
    ['a member changes the settings', carol, { kind: 'settings' }, 'not-an-admin'],
    ['somebody invites a member', alice, { kind: 'invite', user: 'bob' }, 'already-a-member'],
    ['somebody removes who is not there', alice, { kind: 'remove', user: 'erin' }, 'not-a-member'],
    [
      'somebody makes an admin of who is not there',
      alice,
      { kind: 'grant', user: 'erin', admin: true },
      'not-a-member',
    ],
    ['somebody makes an admin of an admin', alice, { kind: 'grant', user: 'bob', admin: true }, 'already-an-admin'],
    ['somebody makes a member of a member', bob, { kind: 'grant', user: 'carol', admin: false }, 'no-such-admin'],
    ['a junior removes a senior', bob, { kind: 'remove', user: 'alice' }, 'senior-admin'],
    ['a junior makes a member of a senior', bob, { kind: 'grant', user: 'alice', admin: false }, 'senior-admin'],
    ['an admin removes itself', bob, { kind: 'remove', user: 'bob' }, 'senior-admin'],
    ['a member joins again', carol, { kind: 'join' }, 'already-a-member'],
  ] as const
  test.for(TABLE)('%s', ([, by, attempt, code]) => {
    expect(by.state().allowed(by.user, attempt)?.code).toBe(code)
  })
  const STRANGERS = [
    ['a stranger joins', 'erin', { kind: 'join' }, 'room-invite-only'],
    ['somebody who was removed joins', 'dave', { kind: 'join' }, 'removed'],
    ['a stranger writes', 'erin', { kind: 'message' }, 'not-a-member'],
    ['somebody who was removed writes', 'dave', { kind: 'message' }, 'removed'],
    ['a stranger leaves', 'erin', { kind: 'leave' }, 'not-a-member'],
  ] as const
  test.for(STRANGERS)('%s', ([, name, attempt, code]) => {
    expect(alice.state().allowed(user(name), attempt)?.code).toBe(code)
  })
  test('somebody who was removed joins an open room', () => {
    const state = open[0].state()
    expect(state.allowed(user('bob'), { kind: 'join' })?.code).toBe('removed')
    expect(state.allowed(user('alice'), { kind: 'remove', user: 'bob' })?.code).toBe('removed')
    expect(state.allowed(user('carol'), { kind: 'join' })).toBeNull()
    expect(odd.state().allowed(user('alice'), { kind: 'remove', user: 'erin' })).toBeNull()
  })
  test('and what is not: a member writes and leaves, takes an invite up, and an admin does what admins do', () => {
    const state = alice.state()
    for (const kind of ['message', 'leave'] as const) expect(state.allowed(user('carol'), { kind })).toBeNull()
    expect(state.allowed(user('bob'), { kind: 'join' })).toBeNull()
    expect(state.allowed(user('bob'), { kind: 'invite', user: 'dave' })).toBeNull()
    expect(state.allowed(user('bob'), { kind: 'remove', user: 'carol' })).toBeNull()
    expect(state.allowed(user('alice'), { kind: 'grant', user: 'bob', admin: false })).toBeNull()
  })
})
