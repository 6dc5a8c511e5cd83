import { type KeyObject, X509Certificate } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { PeerId } from '../../shared/ids.ts'
import { newKey, type TestNetwork, testNetwork } from '../support/certificates.ts'
import type { BareOrder, BareProfile, BareReport } from './bare-process.ts'
import { type Child, startChild } from './child.ts'
import type { PeerOrder, PeerProfile, PeerReport } from './peer-process.ts'
import type { PipeOrder, PipeProfile, PipeReport } from './pipe-process.ts'
import type { RoadOrder, RoadProfile, RoadReport } from './road-process.ts'

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

/** Two processes on loopback with the roads of files and a session; `fetcher` has dialed. @param tls false: by the libp2p stream */
export const startRoads = async (tls: boolean) => {
  await using children = new AsyncDisposableStack()
  const network = testNetwork()
  const issue = (user: string) => {
    const key = newKey()
    const certificate = Buffer.from(network.issue({ user, key })).toString('base64')
    return { key: String(key.export({ type: 'pkcs8', format: 'pem' })), certificate }
  }
  const [alice, bob] = [issue('alice'), issue('bob')]
  const root = Buffer.from(network.root).toString('base64')
  const start = (profile: RoadProfile) => children.use(startChild<RoadOrder, RoadReport>('road-process.ts', profile))
  const holder = start({ ...alice, root, other: bob.certificate, tls })
  const fetcher = start({ ...bob, root, other: alice.certificate, tls })
  const [{ addresses }] = await Promise.all([holder.next('ready'), fetcher.next('ready')])
  fetcher.tell({ do: 'dial', addresses })
  await Promise.all([holder.next('session'), fetcher.next('session')])
  const all = children.move()
  return { holder, fetcher, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

/** Two bare libp2p nodes in two processes on loopback; `dialer` has dialed. */
export const startBare = async (profile: BareProfile = { tuned: false }) => {
  await using children = new AsyncDisposableStack()
  const listener = children.use(startChild<BareOrder, BareReport>('bare-process.ts', profile))
  const dialer = children.use(startChild<BareOrder, BareReport>('bare-process.ts', profile))
  const [{ address }] = await Promise.all([listener.next('ready'), dialer.next('ready')])
  dialer.tell({ do: 'dial', address })
  await dialer.next('dialed')
  const all = children.move()
  return { dialer, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

/** Two processes on loopback with plain TCP and plain TLS; `receiver` copies from the ports of the other. */
export const startPipes = async () => {
  await using children = new AsyncDisposableStack()
  const network = testNetwork()
  const key = newKey()
  const profile: PipeProfile = {
    key: String(key.export({ type: 'pkcs8', format: 'pem' })),
    cert: new X509Certificate(network.issue({ user: 'pipe', key })).toString(),
  }
  const sender = children.use(startChild<PipeOrder, PipeReport>('pipe-process.ts', profile))
  const receiver = children.use(startChild<PipeOrder, PipeReport>('pipe-process.ts', profile))
  const [ports] = await Promise.all([sender.next('ready'), receiver.next('ready')])
  const all = children.move()
  return { receiver, ports, [Symbol.asyncDispose]: () => all.disposeAsync() }
}
