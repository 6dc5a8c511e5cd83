import { join as joinPath } from 'node:path'
import type { PeerEvent } from '../../peer/events.ts'
import { startPeer } from '../../peer/home.ts'
import { join } from '../../peer/identity/join.ts'
import type { Peer } from '../../peer/peer.ts'
import { systemRandom } from '../../shared/random.ts'
import { user } from './certificates.ts'
import { PASSPHRASE, PASSWORD, type TestCa, temporaryFolder } from './enrolment.ts'

const LISTEN = ['/ip4/127.0.0.1/tcp/0']

/** Homes as `npm run peer` keeps them, of devices that have joined at a test's CA, on its clock. */
export const openHomes = async (ca: TestCa) => {
  const folder = await temporaryFolder()
  const running = new Set<Peer>()
  /** Joins, by an invite or as a further device of the user. @returns the folder */
  const settle = async (name: string, as: 'new-user' | 'further-device' = 'new-user', home = name): Promise<string> => {
    const path = joinPath(folder.path, home)
    const secrets = { user: user(name), password: PASSWORD, passphrase: PASSPHRASE, keyBits: 2048 }
    const rest = { as, clock: ca.clock, random: systemRandom, listen: LISTEN }
    await join({ home: path, invite: await ca.oneInvite(), ...secrets, ...rest })
    return path
  }
  /** Starts the device of a home, which knows the addresses of those that run. */
  const start = async (home: string): Promise<Peer> => {
    const peer = await startPeer(home, PASSPHRASE, { listen: LISTEN, mdns: false, clock: ca.clock })
    for (const other of running) peer.meet(other.self.peerId, other.addresses())
    running.add(peer)
    return peer
  }
  const stop = async (peer: Peer): Promise<void> => {
    running.delete(peer)
    await peer.stop()
  }
  return {
    folder: folder.path,
    settle,
    start,
    stop,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([...running].map(stop))
      await folder.remove()
    },
  }
}

/** The first event from now on that fits. */
export const next = (peer: Peer, fits: (event: PeerEvent) => boolean): Promise<PeerEvent> =>
  new Promise((resolve) => {
    const end = peer.on((event) => {
      if (!fits(event)) return
      end()
      resolve(event)
    })
  })
