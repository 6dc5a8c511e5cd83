import { join } from 'node:path'
import { createPeer, type Peer } from '../../peer/peer.ts'
import { trustAnchor, verifyDevice } from '../../shared/certificate/verify.ts'
import { systemClock } from '../../shared/clock.ts'
import { orThrow } from '../../shared/errors.ts'
import type { PeerId } from '../../shared/ids.ts'
import { parseInvite } from '../../shared/invite.ts'
import { systemRandom } from '../../shared/random.ts'
import { enrolAs, newcomer } from '../support/enrolment.ts'
import { obey, tellBench } from './child.ts'
import { nowMs } from './figures.ts'

// A program: several real peers, each enrolled with the CA and in touch with it, driven by the bench.

export type CrowdOrder =
  /** Enrols a device and starts it. */
  | { readonly do: 'hire'; readonly user: string; readonly invite: string }
  /** All peers here get to know these. */
  | { readonly do: 'meet'; readonly others: readonly Whereabouts[] }
  /** Stops the peer of that user. */
  | { readonly do: 'dismiss'; readonly user: string }

export type Whereabouts = { readonly peer: PeerId; readonly addresses: readonly string[] }

export type CrowdReport =
  | ({ readonly kind: 'hired' } & Whereabouts)
  | { readonly kind: 'session'; readonly user: string; readonly other: string }
  /** The CA is connected. */
  | { readonly kind: 'sighted'; readonly user: string }
  /** A newer list has come to the peer of `user`, which had sessions with `others` and has ended them. */
  | { readonly kind: 'cut'; readonly user: string; readonly others: readonly string[]; readonly at: number }
  | { readonly kind: 'dismissed' }

const folder: string = JSON.parse(process.argv[2] ?? '')
const peers = new Map<string, Peer>()
const tell = (report: CrowdReport): void => tellBench(report)

const hire = async (user: string, text: string): Promise<Peer> => {
  const invite = orThrow(parseInvite(text))
  await using device = await newcomer()
  const { root, certificate } = orThrow(await enrolAs(device, systemClock, { user, invite }))
  const now = systemClock.now()
  const anchor = orThrow(trustAnchor(root, now))
  const peer = await createPeer({
    key: device.key,
    anchor,
    self: orThrow(verifyDevice(certificate, { anchor, now })),
    storeKey: systemRandom.bytes(32),
    databasePath: join(folder, `${user}.db`),
    downloads: join(folder, user),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    mdns: false,
    ca: { contact: invite, store: async () => undefined },
    clock: systemClock,
    random: systemRandom,
  })
  peer.on((event) => {
    if (event.kind === 'session' && event.change === 'began') tell({ kind: 'session', user, other: event.user })
    if (event.kind === 'ca-sighted') tell({ kind: 'sighted', user })
    if (event.kind === 'revocations' && event.cut.length > 0)
      tell({ kind: 'cut', user, others: event.cut, at: nowMs() })
  })
  return peer
}

obey<CrowdOrder>(
  async (order) => {
    switch (order.do) {
      case 'hire': {
        const peer = await hire(order.user, order.invite)
        for (const other of peers.values()) peer.meet(other.self.peerId, other.addresses())
        peers.set(order.user, peer)
        return tell({ kind: 'hired', peer: peer.self.peerId, addresses: peer.addresses() })
      }
      case 'meet':
        for (const peer of peers.values()) {
          for (const { peer: other, addresses } of order.others) peer.meet(other, addresses)
        }
        return
      case 'dismiss':
        await peers.get(order.user)?.stop()
        peers.delete(order.user)
        return tell({ kind: 'dismissed' })
    }
  },
  async () => void (await Promise.all([...peers.values()].map((peer) => peer.stop()))),
)
