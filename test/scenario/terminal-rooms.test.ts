import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { sitDown } from '../support/terminal.ts'
import { createWorld, type Resident } from '../support/world.ts'

let world: Awaited<ReturnType<typeof createWorld>>
beforeEach(async () => {
  world = await createWorld()
})
afterEach(() => world[Symbol.asyncDispose]())

const meet = async (): Promise<[Resident, Resident]> => {
  const alice = await world.settle('alice')
  const bob = await world.settle('bob')
  await Promise.all([alice, bob].map((one) => one.until(({ kind }) => kind === 'session')))
  await vi.waitFor(() => expect([alice, bob].map(({ peer }) => peer.users().length)).toEqual([2, 2]), {
    timeout: 20_000,
  })
  return [alice, bob]
}

test('a room is made, filled, used, and left, with words that people know', async () => {
  const [one, two] = await meet()
  const alice = sitDown(one)
  const bob = sitDown(two)
  alice.type('/create plans')
  await alice.sees('* #plans')
  alice.type('/invite @bob')
  await alice.sees('bob is invited')
  await bob.sees('you are in #plans now   /room #plans')
  bob.type('/room #plans')
  await bob.sees('* #plans')
  bob.type('hello from the room')
  await alice.sees('bob: hello from the room')
  alice.type('/members')
  await alice.sees('alice (admin)\nbob')
  alice.type('/topic the summer')
  await bob.sees('* #plans: the summer')
  alice.type('/remove bob')
  await bob.sees('* you are not in #plans any more')
  bob.type('may I?')
  await bob.sees(/! .*\n {2}next: /)
  await Promise.all([alice.leave(), bob.leave()])
})

test('a word to one user alone is shown with its place, and is answered there', async () => {
  const [one, two] = await meet()
  const alice = sitDown(one)
  const bob = sitDown(two)
  alice.type('/msg @bob between us')
  await alice.sees('to @bob: between us')
  await bob.sees('@alice alice: between us')
  bob.type('/room @alice')
  await bob.sees('* @alice')
  bob.type('/ids')
  await bob.sees(/[0-9a-f]{8} {2}.*alice: between us/)
  const id = /([0-9a-f]{8}) {2}[^\n]*alice: between us/.exec(bob.screen())?.[1] ?? ''
  bob.type(`/reply ${id} yes`)
  await alice.sees(`@bob bob: (to ${id}) yes`)
  bob.type(`/react ${id} 👍`)
  await alice.sees(/~ .*between us {2}👍 1/)
  alice.type('/search between')
  await alice.sees(/between us {2}👍 1\n\* 1 found/)
  await Promise.all([alice.leave(), bob.leave()])
})

test('what makes no sense is answered with how it is written, and nothing ends', async () => {
  const [one] = await meet()
  const alice = sitDown(one)
  for (const [line, answer] of [
    ['/room', '/room #ROOM'],
    ['/room #nowhere', 'there is no such room here'],
    ['/msg @nobody hi', 'nobody of that name'],
    ['/invite bob', 'members are given'],
    ['/reply zzz hi', '! '],
    ['/keep soon', '100 messages'],
    ['/create #@x', '! '],
    ['/nonsense', 'there is no /nonsense'],
  ] as const) {
    alice.type(line)
    await alice.sees(answer)
    await alice.sees('next: ')
  }
  alice.type('/rooms')
  await alice.sees('#general')
  await alice.leave()
})
