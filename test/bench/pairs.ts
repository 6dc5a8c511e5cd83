import type { KeyObject } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { PeerId } from '../../shared/ids.ts'
import { newKey, type TestNetwork, testNetwork } from '../support/certificates.ts'
import type { BareOrder, BareReport } from './bare-process.ts'
import { type Child, startChild } from './child.ts'
import type { PeerOrder, PeerProfile, PeerReport } from './peer-process.ts'

export type PeerChild = Child<PeerOrder, PeerReport>
export type BareChild = Child<BareOrder, BareReport>

/** Two peers of one network in two processes on loopback, with a session, each with its own store below `folder`. */
export const startPeers = async (folder: string) => {
  const company = await startCompany(folder, ['alice', 'bob'])
  const [alice, bob] = company.peers
  if (alice === undefined || bob === undefined) throw new Error('two were asked for')
  return { alice, bob, [Symbol.asyncDispose]: company[Symbol.asyncDispose] }
}

/** Peers of one network, each in a process of its own on loopback; each has a session with each. */
export const startCompany = async (folder: string, users: readonly string[]) => {
  await using children = new AsyncDisposableStack()
  const network = testNetwork()
  const peers: PeerChild[] = []
  const known: { peer: PeerId; addresses: readonly string[] }[] = []
  // One after the other: all at once they would have only each other's start to wait for.
  for (const user of users) {
    const peer = children.use(startPeer(await writeProfile(network, folder, user, newKey())))
    const ready = await peer.next('ready')
    for (const other of known) peer.tell({ do: 'meet', ...other })
    await Promise.all([...peers, ...peers.map(() => peer)].map((one) => one.next('session')))
    known.push({ peer: ready.peer, addresses: ready.addresses })
    peers.push(peer)
  }
  const all = children.move()
  return { peers, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

/** A device of that user, and a folder for it below `folder`. */
export const writeProfile = async (
  network: TestNetwork,
  folder: string,
  user: string,
  key: KeyObject,
): Promise<PeerProfile> => {
  const profile: PeerProfile = {
    folder: join(folder, user),
    key: String(key.export({ type: 'pkcs8', format: 'pem' })),
    certificate: Buffer.from(network.issue({ user, key })).toString('base64'),
    root: Buffer.from(network.root).toString('base64'),
  }
  await mkdir(profile.folder)
  return profile
}

export const startPeer = (profile: PeerProfile): PeerChild =>
  startChild<PeerOrder, PeerReport>('peer-process.ts', profile)

/** Two bare libp2p nodes in two processes on loopback; `dialer` has dialed. */
export const startBare = async () => {
  await using children = new AsyncDisposableStack()
  const listener = children.use(startChild<BareOrder, BareReport>('bare-process.ts', null))
  const dialer = children.use(startChild<BareOrder, BareReport>('bare-process.ts', null))
  const [{ address }] = await Promise.all([listener.next('ready'), dialer.next('ready')])
  dialer.tell({ do: 'dial', address })
  await dialer.next('dialed')
  const all = children.move()
  return { dialer, [Symbol.asyncDispose]: () => all.disposeAsync() }
}
