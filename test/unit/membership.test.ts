import { describe, expect, test } from 'vitest'
import { merge, namesOf, room, type Writer } from '../support/membership.ts'

type Crew = readonly [Writer, Writer, Writer, Writer]
const crew = (access: 'open' | 'invite' = 'invite') => room(access, ['alice', 'bob', 'carol', 'dave']) as Crew

describe('an invite-only room', () => {
  test('has its creator, and whom an admin invites', () => {
    const [alice, bob] = crew()
    expect(namesOf(alice.state())).toBe('alice*')
    alice.invite('bob')
    bob.sync(alice)
    expect(namesOf(bob.state())).toBe('alice* bob')
  })

  test('takes no invite from who is no admin', () => {
    const [alice, bob] = crew()
    alice.invite('bob')
    bob.sync(alice)
    bob.invite('carol')
    alice.sync(bob)
    expect(namesOf(alice.state())).toBe('alice* bob')
  })
})

test('of two admins who remove each other the senior one stays', () => {
  const [alice, bob, carol] = crew()
  for (const name of ['bob', 'carol']) alice.invite(name)
  alice.grant('bob')
  bob.sync(alice)
  bob.grant('carol')
  merge(alice, bob, carol)
  expect(namesOf(alice.state())).toBe('alice* bob* carol*')
  bob.remove('carol')
  carol.remove('bob')
  merge(alice, bob, carol)
  expect([alice, bob, carol].map((one) => namesOf(one.state()))).toEqual(Array(3).fill('alice* bob*'))
})
