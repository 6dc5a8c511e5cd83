import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Succession } from '../../shared/certificate/lineage.ts'
import { isRefusal } from '../../shared/errors.ts'
import { DAY_MS } from '../../shared/limits.ts'
import { openChannel } from '../../shared/network/channel.ts'
import { revocationCodec, revocationProtocol } from '../../shared/wire/revocation.ts'
import { newKey, rollOver, testNetwork, unsafeSigned } from '../support/certificates.ts'
import { createStranger, type Stranger } from '../support/stranger.ts'
import { createWorld, type Resident } from '../support/world.ts'

// A member of the network who tells others of roots: over real connections, and each lie refused by its code.

let world: Awaited<ReturnType<typeof createWorld>>
let alice: Resident
let mallory: Stranger
beforeAll(async () => {
  world = await createWorld()
  alice = await world.settle('alice')
  mallory = await createStranger(world.network.network)
})
afterAll(async () => {
  await mallory[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

const helloWith = async (succession: Succession): Promise<string> => {
  const line = await mallory.callUp(alice.peer)
  await line.say(mallory.hello(world.network.issue({ user: 'mallory', key: mallory.key }), { succession }))
  const answer = await line.hear()
  line.connection.abort(new Error('done'))
  return isRefusal(answer) ? answer.code : answer.kind === 'refused' ? answer.code : answer.kind
}

const genuine = (): Succession => rollOver(world.network).succession
const signedBy = (succession: Succession, key = newKey()) => ({
  ...succession,
  cross: unsafeSigned(succession.cross, { signedBy: key }),
})

test.each<[title: string, code: string, lie: () => Succession]>([
  ['signed by a member', 'certificate-bad-signature', () => signedBy(genuine(), mallory.key)],
  [
    'signed by itself',
    'certificate-self-signed',
    () => {
      const next = rollOver(world.network)
      return signedBy(next.succession, next.rootKey)
    },
  ],
  [
    'that has expired',
    'certificate-expired',
    () => {
      const { succession } = rollOver(world.network)
      const now = world.network.clock.now()
      const times = { notBefore: now - 2 * DAY_MS, notAfter: now - DAY_MS }
      return { ...succession, cross: unsafeSigned(succession.cross, { signedBy: world.network.rootKey, ...times }) }
    },
  ],
  ['of another network', 'root-foreign', () => rollOver(testNetwork()).succession],
  ['two numbers on', 'root-gap', () => rollOver(rollOver(world.network)).succession],
  [
    'that is a device certificate',
    'certificate-wrong-key',
    () => ({ ...genuine(), cross: world.network.issue({ user: 'mallory' }) }),
  ],
])('a hello with a root %s is refused: %s', async (_title, code, lie) => {
  expect(await helloWith(lie())).toBe(code)
  expect(alice.seen(({ kind }) => kind === 'rolled-over')).toBe(false)
})

test('in the exchange of lists it is told, and not taken; too many end the conversation', async () => {
  const line = await mallory.callUp(alice.peer)
  await line.say(mallory.hello(world.network.issue({ user: 'mallory', key: mallory.key })))
  expect(await line.hear()).toMatchObject({ kind: 'hello' })
  await line.say({ kind: 'admitted' })
  const stream = await mallory.node.open(line.connection, revocationProtocol(world.network.network))
  const channel = openChannel(
    stream,
    { incoming: revocationCodec, outgoing: revocationCodec },
    { maxFrameBytes: 2 ** 21 },
  )
  expect(await channel.receive()).toEqual({ kind: 'have', number: 0, root: 1 })
  const lie = signedBy(genuine(), mallory.key)
  await channel.send({ kind: 'succession', succession: lie })
  await alice.until((event) => event.kind === 'foul' && event.refusal.code === 'certificate-bad-signature')
  expect(alice.seen(({ kind }) => kind === 'rolled-over')).toBe(false)
  for (let more = 0; more < 8; more++)
    await channel.send({ kind: 'succession', succession: lie }).catch(() => undefined)
  expect(await channel.receive()).toMatchObject({ code: 'stream-closed' })
  line.connection.abort(new Error('done'))
})

test('the genuine one is taken from anybody; after that neither an older nor another one is', async () => {
  const next = rollOver(world.network)
  expect(await helloWith(next.succession)).toBe('hello')
  await alice.until((event) => event.kind === 'rolled-over' && event.root === 2)
  expect(await helloWith(next.succession)).toBe('hello') // it is known already
  expect(await helloWith(rollOver(world.network).succession)).toBe('root-forked')
  const third = rollOver(next)
  expect(await helloWith(third.succession)).toBe('hello')
  expect(await helloWith(rollOver(world.network).succession)).toBe('root-older')
})
