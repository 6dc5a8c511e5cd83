import { X509Certificate } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { newKey, testNetwork } from '../support/certificates.ts'
import type { BareOrder, BareProfile, BareReport } from './bare-process.ts'
import { type Child, startChild } from './child.ts'
import type { PeerOrder, PeerProfile, PeerReport } from './peer-process.ts'
import type { PipeOrder, PipeProfile, PipeReport } from './pipe-process.ts'
import type { RoadOrder, RoadProfile, RoadReport } from './road-process.ts'

export type PeerChild = Child<PeerOrder, PeerReport>
export type BareChild = Child<BareOrder, BareReport>

/** Two peers of one network in two processes on loopback, with a session, each with its own store below `folder`. */
export const startPeers = async (folder: string) => {
  await using children = new AsyncDisposableStack()
  const network = testNetwork()
  const start = async (user: string): Promise<PeerChild> => {
    const key = newKey()
    const profile: PeerProfile = {
      folder: join(folder, user),
      key: String(key.export({ type: 'pkcs8', format: 'pem' })),
      certificate: Buffer.from(network.issue({ user, key })).toString('base64'),
      root: Buffer.from(network.root).toString('base64'),
    }
    await mkdir(profile.folder)
    return children.use(startChild<PeerOrder, PeerReport>('peer-process.ts', profile))
  }
  const [alice, bob] = await Promise.all([start('alice'), start('bob')])
  const [, { peer, addresses }] = await Promise.all([alice.next('ready'), bob.next('ready')])
  alice.tell({ do: 'meet', peer, addresses })
  await Promise.all([alice.next('session'), bob.next('session')])
  const all = children.move()
  return { alice, bob, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

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
