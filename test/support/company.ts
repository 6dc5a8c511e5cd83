import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { openStore } from '../../ca-node/beside.ts'
import { type Ca, startCa } from '../../ca-node/ca.ts'
import { createCaKeys, createNextKeys, openCaKeys } from '../../ca-node/root-key.ts'
import type { PeerEvent } from '../../peer/events.ts'
import { enrol } from '../../peer/identity/enrol.ts'
import { createPeer, type Peer } from '../../peer/peer.ts'
import { openLineage, type Succession } from '../../shared/certificate/lineage.ts'
import { spkiOf } from '../../shared/certificate/rsa-key.ts'
import { verifyDevice } from '../../shared/certificate/verify.ts'
import { orThrow } from '../../shared/errors.ts'
import { sha256 } from '../../shared/ids.ts'
import type { Invite } from '../../shared/invite.ts'
import { CA_SIGHT_MS, INVITE_LIFETIME_MS } from '../../shared/limits.ts'
import { createNode } from '../../shared/network/node.ts'
import { systemRandom } from '../../shared/random.ts'
import { newKey, user } from './certificates.ts'
import { manualClock, PASSPHRASE, PASSWORD, temporaryFolder } from './enrolment.ts'

// A real CA that is switched off and on, rolled over and restored, and people who come and go: on one clock that tests turn.

/** Somebody with a device, and what it has kept. */
export type Colleague = {
  readonly name: string
  readonly peer: Peer
  /** What it keeps between two starts, as its home would: how later roots followed, and its certificate, DER. */
  readonly kept: { readonly successions: readonly Succession[]; readonly certificate: Uint8Array }
  leave(): Promise<void>
  comeBack(): Promise<void>
  /** Whether an event that fits has come since the last start. */
  seen(fits: (event: PeerEvent) => boolean): boolean
  /** The first event since the last start, past or future, that fits. */
  until(fits: (event: PeerEvent) => boolean): Promise<PeerEvent>
}

export type Company = AsyncDisposable & {
  readonly home: string
  readonly clock: ReturnType<typeof manualClock>
  /** The CA's log so far. */
  readonly logged: readonly { readonly event: string; readonly facts: Readonly<Record<string, unknown>> }[]
  /** The CA that serves. */
  ca(): Ca
  /** Starts it, in this home or in another one, with so many milliseconds to ask its devices after a restore. */
  open(home?: string, askMs?: number): Promise<Ca>
  close(): Promise<void>
  invite(): Promise<Invite>
  /** A new user with a device that has met the others; `pin`: what it believes the root to be. */
  hire(name: string, invite?: Invite): Promise<Colleague>
}

export const openCompany = async (): Promise<Company> => {
  const folder = await temporaryFolder()
  const clock = manualClock()
  const firstHome = join(folder.path, 'ca')
  const random = systemRandom
  await createCaKeys(firstHome, { networkName: 'test', passphrase: PASSPHRASE, random, now: clock.now() })
  const logged: { event: string; facts: Readonly<Record<string, unknown>> }[] = []
  const colleagues: Colleague[] = []
  let listen = '/ip4/127.0.0.1/tcp/0'
  let running: Ca | null = null

  const open = async (home = firstHome, askMs = 30_000): Promise<Ca> => {
    const log = (event: string, facts: Readonly<Record<string, unknown>>) => logged.push({ event, facts })
    running = await startCa({ home, passphrase: PASSPHRASE, listen: [listen], clock, random, log, askMs })
    listen = running.addresses[0] ?? listen // the same one again, where everybody looks for it …
    clock.advance(CA_SIGHT_MS) // … as they do every minute
    return running
  }
  const close = async (): Promise<void> => {
    await running?.stop()
    running = null
  }
  const ca = (): Ca => {
    if (running === null) throw new Error('the CA is off')
    return running
  }
  const invite = async (): Promise<Invite> => {
    const [one] = await ca().invite({ count: 1, lifetimeMs: INVITE_LIFETIME_MS })
    if (one === undefined) throw new Error('no invite')
    return one
  }
  const hire = async (name: string, by?: Invite): Promise<Colleague> => {
    const contact = by ?? (await invite())
    const key = newKey()
    const node = await createNode({ key, listen: ['/ip4/127.0.0.1/tcp/0'] })
    const addresses = node.addresses() // where it will be from now on: the CA is told
    const asked = { node, key, clock, addresses, invite: contact, user: user(name), password: PASSWORD }
    const enrolled = orThrow(await enrol(asked))
    await node.stop()
    const first = enrolled.root
    let kept: Colleague['kept'] = { successions: enrolled.successions, certificate: enrolled.certificate }
    const storeKey = new Uint8Array(randomBytes(32))
    const files = { databasePath: join(folder.path, `${name}.db`), downloads: join(folder.path, name) }
    let address = (addresses[0] ?? '').replace(/\/p2p\/.*/, '')
    let seen: PeerEvent[] = []
    const waiting = new Set<() => void>()
    const start = async (): Promise<Peer> => {
      const now = clock.now()
      const anchor = orThrow(openLineage({ first, successions: kept.successions }, now))
      const self = orThrow(verifyDevice(kept.certificate, { anchor, now, remoteSpki: spkiOf(key) }))
      const peer = await createPeer({
        ...{ key, anchor, self, storeKey, ...files, listen: [address], mdns: false, clock, random },
        ca: {
          contact: { ...contact, pin: sha256(anchor.spki) },
          store: async (certificate) => {
            kept = { ...kept, certificate }
          },
        },
        roots: {
          successions: kept.successions,
          store: async (successions) => {
            kept = { ...kept, successions }
          },
        },
      })
      address = (peer.addresses()[0] ?? address).replace(/\/p2p\/.*/, '')
      peer.on((event) => {
        seen.push(event)
        for (const look of waiting) look()
      })
      return peer
    }
    let peer = await start()
    const colleague: Colleague = {
      name,
      get peer() {
        return peer
      },
      get kept() {
        return kept
      },
      leave: () => peer.stop(),
      comeBack: async () => {
        seen = []
        peer = await start()
      },
      seen: (fits) => seen.some(fits),
      until: (fits) => {
        const { promise, resolve } = Promise.withResolvers<PeerEvent>()
        const look = (): void => {
          const event = seen.find(fits)
          if (event === undefined) return
          waiting.delete(look)
          resolve(event)
        }
        waiting.add(look)
        look()
        return promise
      },
    }
    for (const other of colleagues) peer.meet(other.peer.self.peerId, other.peer.addresses())
    colleagues.push(colleague)
    return colleague
  }
  return {
    home: firstHome,
    clock,
    logged,
    ca,
    open,
    close,
    invite,
    hire,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(colleagues.map(({ peer }) => peer.stop()))
      await close()
      await folder.remove()
    },
  }
}

/** What `npm run ca -- roll-over` does before the CA starts again; the rest is done by the start. */
export const rollOverAt = async ({ home, clock }: Pick<Company, 'home' | 'clock'>): Promise<void> => {
  const now = clock.now()
  const keys = await openCaKeys(home, PASSPHRASE, now)
  await createNextKeys(home, keys, { passphrase: PASSPHRASE, random: systemRandom, now })
}

/** All that the CA of this home has written down, while it is off. */
export const ledgerOf = (home: string) => openStore(home)

export const met = (name: string) => (event: PeerEvent) =>
  event.kind === 'session' && event.change === 'began' && event.user === name
export const says = (text: string) => (event: PeerEvent) =>
  event.kind === 'message' && event.message.content?.kind === 'text' && event.message.content.text === text
export const cut = (name: string) => (event: PeerEvent) =>
  event.kind === 'revocations' && event.cut.some((user) => user === name)
