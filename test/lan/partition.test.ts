import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, vi } from 'vitest'
import type { Message } from '../../peer/rooms/inbox.ts'
import { testNetwork } from '../support/certificates.ts'
import type { DrivenRoom } from '../support/driver-words.ts'
import { type Driven, startDriver, writeDriverProfile } from '../support/drivers.ts'
import { createLan } from '../support/lan.ts'
import { testInNamespaces } from '../support/namespaces.ts'
import { says } from '../support/world.ts'

const NEAR = ['anna', 'ben', 'carl', 'dora']
const FAR = ['emil', 'fay', 'gus', 'hana']
const NAMES = [...NEAR, ...FAR]
const OUT = 'gus'
const STAYING = NAMES.filter((name) => name !== OUT)

/** Eight processes on eight machines, half of them on each of two switches; all have a session with all. */
const company = async () => {
  const lan = createLan(NAMES.length, { halves: true })
  const folder = await mkdtemp(join(tmpdir(), 'lanyard-partition-'))
  const network = testNetwork()
  const peers = new Map<string, Driven>()
  for (const [at, name] of NAMES.entries()) {
    const profile = await writeDriverProfile(network, folder, name, { listen: ['/ip4/0.0.0.0/tcp/0'] })
    const peer = await startDriver(profile, lan.hosts[at])
    for (const { ready } of peers.values()) {
      await peer.do({ do: 'meet', peer: ready.peer, addresses: [...ready.addresses] })
    }
    peers.set(name, peer)
  }
  const of = (name: string): Driven => {
    const peer = peers.get(name)
    if (peer === undefined) throw new Error(`there is no ${name}`)
    return peer
  }
  await everybody(NAMES, async (name) => {
    for (const other of NAMES) {
      if (other === name) continue
      await of(name).until(({ kind, ...event }) => kind === 'session' && 'user' in event && event.user === other)
    }
  })
  return {
    of,
    lan,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([...peers.values()].map((peer) => peer.kill()))
      await lan[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const everybody = async (names: readonly string[], work: (name: string) => Promise<unknown>): Promise<void> =>
  void (await Promise.all(names.map(work)))

const historyOf = async (peer: Driven, room: string): Promise<Message[]> =>
  (await peer.do({ do: 'history', limit: 1_000, room })) as Message[]
const textsOf = (history: readonly Message[]): string[] =>
  history.flatMap(({ content }) => (content?.kind === 'text' ? [content.text] : []))
const membersOf = async (peer: Driven, room: string): Promise<readonly string[]> =>
  ((await peer.do({ do: 'rooms' })) as DrivenRoom[]).find(({ id }) => id === room)?.members?.toSorted() ?? []

const POLL = { timeout: 150_000, interval: 250 }

testInNamespaces(
  'eight processes cut 4|4, of whom one removes one beyond the cut, come to the same members and the same history, and who is out reads nothing of those who knew',
  { timeout: 600_000 }, // half a minute on two cores that are free; it waits for events alone
  async () => {
    await using world = await company()
    const { of, lan } = world
    const anna = of('anna')
    const room = (await anna.do({ do: 'found', name: 'plans' })) as string
    for (const user of NAMES.slice(1)) await anna.do({ do: 'invite', user, room })
    await everybody(NAMES, (name) =>
      vi.waitFor(async () => expect(await membersOf(of(name), room)).toEqual(NAMES.toSorted()), POLL),
    )
    const said: string[] = []
    const say = async (name: string, text: string): Promise<void> => {
      if (name !== OUT) said.push(text)
      await of(name).do({ do: 'say', text, room })
    }
    const reach = (text: string, names: readonly string[]): Promise<void> =>
      everybody(names, (name) => of(name).until(says(text)))

    for (const name of NAMES) {
      await say(name, `${name} is here`)
      await reach(
        `${name} is here`,
        NAMES.filter((other) => other !== name),
      )
    }

    lan.join('out')
    // Both sides talk at once: the far one goes on with the one whom the near one removes.
    await everybody(NAMES, (name) => say(name, `${name} in the dark`))
    await reach(
      `${OUT} in the dark`,
      FAR.filter((name) => name !== OUT),
    )
    await everybody(NEAR.slice(1), (name) => reach('anna in the dark', [name]))
    await anna.do({ do: 'remove', user: OUT, room })
    await everybody(NEAR, (name) =>
      vi.waitFor(async () => expect(await membersOf(of(name), room)).toEqual(STAYING.toSorted()), POLL),
    )
    await everybody(NEAR, (name) => say(name, `${name} without ${OUT}`))
    await everybody(FAR, (name) => say(name, `${name} still in the dark`))
    await reach('hana still in the dark', [OUT]) // who did not know of the removal writes for all whom it knew
    lan.join('in')

    await everybody(STAYING, (name) =>
      vi.waitFor(async () => expect(await membersOf(of(name), room)).toEqual(STAYING.toSorted()), POLL),
    )
    await everybody(STAYING, (name) => say(name, `${name} in the light`))
    // What the removed one had said until anna heard no more of it stays; the rest of it counts for nobody.
    const expected = [...said, `${OUT} is here`].toSorted()
    await everybody(STAYING, (name) =>
      vi.waitFor(async () => expect(textsOf(await historyOf(of(name), room)).toSorted()).toEqual(expected), POLL),
    )
    const order = (await historyOf(anna, room)).map(({ id }) => id)
    for (const name of STAYING) expect((await historyOf(of(name), room)).map(({ id }) => id)).toEqual(order)

    const read = textsOf(await historyOf(of(OUT), room))
    const knowing = [...NEAR.map((name) => `${name} without ${OUT}`), ...STAYING.map((name) => `${name} in the light`)]
    expect(read.filter((text) => knowing.includes(text))).toEqual([])
    expect(read).toContain('hana still in the dark')
  },
)
