import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { PeerEvent } from '../../peer/events.ts'
import { createPeer, type Peer } from '../../peer/peer.ts'
import { trustAnchor, verifyDevice } from '../../shared/certificate/verify.ts'
import { orThrow } from '../../shared/errors.ts'
import { INVITE_LIFETIME_MS } from '../../shared/limits.ts'
import { systemRandom } from '../../shared/random.ts'
import { enrolAs, newcomer, runningClock, type TestCa, temporaryFolder, testCa } from './enrolment.ts'

/** A peer that has enrolled with a real CA and stays in touch with it, all on one clock that tests put forward. */
export type Employee = {
  readonly peer: Peer
  /** Certificates that it was given later, DER. */
  readonly stored: readonly Uint8Array[]
  /** Stops the device; its store stays. */
  leave(): Promise<void>
  /** Starts it again on the same store, at the same address. */
  comeBack(): Promise<void>
  /** Whether an event that fits has come since the last start. */
  seen(fits: (event: PeerEvent) => boolean): boolean
  /** The first event since the last start, past or future, that fits. */
  until(fits: (event: PeerEvent) => boolean): Promise<PeerEvent>
}

type OfficeOptions = {
  /** One that runs unless given: a clock that stands still needs to be nudged for dials to be tried again. */
  readonly clock?: TestCa['clock']
}

export const openOffice = async ({ clock = runningClock() }: OfficeOptions = {}) => {
  const ca: TestCa = await testCa({ clock })
  const folder = await temporaryFolder()
  const employees: Employee[] = []

  /**
   * @param options `cutOff`: nobody answers where it looks for the CA once it has enrolled; `strict`: it refuses new sessions
   * while its revocation list is stale
   */
  const hire = async (
    name: string,
    options: { readonly cutOff?: boolean; readonly strict?: boolean } = {},
  ): Promise<Employee> => {
    const [invite] = await ca.invite({ count: 1, lifetimeMs: INVITE_LIFETIME_MS })
    if (invite === undefined) throw new Error('no invite')
    const device = await newcomer()
    const enrolled = orThrow(await enrolAs(device, ca.clock, { user: name, invite }))
    await device[Symbol.asyncDispose]()
    const anchor = orThrow(trustAnchor(enrolled.root, ca.clock.now()))
    let self = orThrow(verifyDevice(enrolled.certificate, { anchor, now: ca.clock.now() }))
    const stored: Uint8Array[] = []
    const storeKey = new Uint8Array(randomBytes(32))
    const contact = options.cutOff === true ? { ...invite, addresses: [NOBODY_THERE] } : invite
    let seen: PeerEvent[] = []
    const waiting = new Set<() => void>()
    let listen = '/ip4/127.0.0.1/tcp/0'
    const start = async (): Promise<Peer> => {
      seen = []
      const started = await createPeer({
        key: device.key,
        anchor,
        self,
        storeKey,
        databasePath: join(folder.path, `${name}.db`),
        downloads: join(folder.path, name),
        listen: [listen],
        mdns: false,
        strict: options.strict === true,
        ca: {
          contact,
          store: async (certificate) => {
            stored.push(certificate)
            self = orThrow(verifyDevice(certificate, { anchor, now: ca.clock.now() }))
          },
        },
        clock: ca.clock,
        random: systemRandom,
      })
      listen = (started.addresses()[0] ?? listen).replace(/\/p2p\/.*/, '')
      started.on((event) => {
        seen.push(event)
        for (const look of waiting) look()
      })
      return started
    }
    let peer = await start()
    for (const other of employees) peer.meet(other.peer.self.peerId, other.peer.addresses())
    const employee: Employee = {
      get peer() {
        return peer
      },
      stored,
      leave: () => peer.stop(),
      comeBack: async () => {
        await peer.stop()
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
    employees.push(employee)
    return employee
  }
  return {
    ca,
    hire,
    /** Stops the CA: it may be away for days. */
    closeCa: ca.turnOff,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(employees.map(({ peer }) => peer.stop()))
      await ca.stop()
      await folder.remove()
    },
  }
}

const NOBODY_THERE = '/ip4/127.0.0.1/tcp/1'
