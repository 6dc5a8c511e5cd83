import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { ListedUser } from '../../peer/rooms/listing.ts'
import { serviceTag } from '../../shared/wire/protocol.ts'
import { testNetwork } from '../support/certificates.ts'
import { type Driven, startDriver, writeDriverProfile } from '../support/drivers.ts'
import { createLan } from '../support/lan.ts'
import { leaksIn } from '../support/leaks.ts'
import { testInNamespaces } from '../support/namespaces.ts'
import { packetsIn, startTcpdump, testWithTcpdump } from '../support/tap.ts'
import { says } from '../support/world.ts'

/** Machines on one switch, and a profile for each, that knows nobody's address. */
const strangers = async (...names: string[]) => {
  const lan = createLan(names.length)
  const folder = await mkdtemp(join(tmpdir(), 'lanyard-lan-'))
  const network = testNetwork()
  const options = { listen: ['/ip4/0.0.0.0/tcp/0'], mdns: true }
  const profiles = await Promise.all(names.map((name) => writeDriverProfile(network, folder, name, options)))
  return {
    network,
    lan,
    start: () => Promise.all(lan.hosts.map((host, at) => startDriver(profiles[at] ?? '', host))),
    [Symbol.asyncDispose]: async () => {
      await lan[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const meets = (one: Driven, name: string) =>
  one.until((event) => event.kind === 'session' && event.change === 'began' && event.user === name)

testInNamespaces('two peers on one network find each other with no address given, and talk', async () => {
  await using world = await strangers('alice', 'bob')
  const [alice, bob] = await world.start()
  if (alice === undefined || bob === undefined) throw new Error('two were asked for')
  await Promise.all([meets(alice, 'bob'), meets(bob, 'alice')])
  await alice.do({ do: 'say', text: 'is anybody here?' })
  await bob.until(says('is anybody here?'))
  await bob.do({ do: 'say', text: 'I am' })
  await alice.until(says('I am'))
  // At least one of two that start together is told by multicast; the other may have been dialled first.
  const found = [
    ...((await alice.do({ do: 'users' })) as ListedUser[]),
    ...((await bob.do({ do: 'users' })) as ListedUser[]),
  ]
  expect(found.flatMap(({ self, devices }) => (self ? [] : devices.map((device) => device.found)))).toContain('mdns')
})

testInNamespaces('three peers that start at the same instant all find each other', async () => {
  const names = ['alice', 'bob', 'carol']
  await using world = await strangers(...names)
  const peers = await world.start()
  await Promise.all(
    peers.flatMap((peer, at) => names.filter((_, other) => other !== at).map((other) => meets(peer, other))),
  )
  await peers[2]?.do({ do: 'say', text: 'hello all' })
  await Promise.all(peers.slice(0, 2).map((peer) => peer.until(says('hello all'))))
})

testInNamespaces('a peer that starts before its cable is in finds the others once it is', async () => {
  await using world = await strangers('alice', 'bob')
  const [, far] = world.lan.hosts
  if (far === undefined) throw new Error('two were asked for')
  world.lan.plug(far, 'out')
  const [alice, bob] = await world.start()
  if (alice === undefined || bob === undefined) throw new Error('two were asked for')
  world.lan.plug(far, 'in')
  await Promise.all([meets(alice, 'bob'), meets(bob, 'alice')])
})

testWithTcpdump("what they send by multicast stays off the machine's own interfaces", async () => {
  await using world = await strangers('alice', 'bob')
  const [host] = world.lan.hosts
  if (host === undefined) throw new Error('two were asked for')
  const filter = 'udp port 5353 or net 10.77.0.0/24'
  const outside = await startTcpdump({ spawn }, 'any', filter)
  const inside = await startTcpdump(host, 'eth0', filter)
  const [alice] = await world.start()
  if (alice === undefined) throw new Error('two were asked for')
  await meets(alice, 'bob')
  // A name in DNS is a label of counted characters; the first label alone says whose it is.
  const mark = { tag: serviceTag(world.network.network).split('.')[0] ?? '' }
  const addresses = { alice: new Uint8Array([10, 77, 0, 1]), bob: new Uint8Array([10, 77, 0, 2]) }
  const heard = await inside.stop()
  expect(packetsIn(heard)).toBeGreaterThan(0)
  expect(leaksIn([heard], mark)).toContain('tag, plain')
  expect(leaksIn([await outside.stop()], { ...mark, ...addresses })).toEqual([])
})
