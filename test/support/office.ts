import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { PeerEvent } from '../../peer/events.ts'
import { createPeer, type Peer } from '../../peer/peer.ts'
import { trustAnchor, verifyDevice } from '../../shared/certificate/verify.ts'
import { orThrow } from '../../shared/errors.ts'
import { INVITE_LIFETIME_MS } from '../../shared/limits.ts'
import { systemRandom } from '../../shared/random.ts'
import { enrolAs, newcomer, type TestCa, temporaryFolder, testCa } from './enrolment.ts'

/** A peer that has enrolled with a real CA and stays in touch with it, all on one clock that tests turn. */
export type Employee = {
  readonly peer: Peer
  /** Certificates that it was given later, DER. */
  readonly stored: readonly Uint8Array[]
  /** The first event, past or future, that fits. */
  until(fits: (event: PeerEvent) => boolean): Promise<PeerEvent>
}

export const openOffice = async () => {
  const ca: TestCa = await testCa()
  const folder = await temporaryFolder()
  const employees: Employee[] = []

  const hire = async (name: string): Promise<Employee> => {
    const [invite] = await ca.invite({ count: 1, lifetimeMs: INVITE_LIFETIME_MS })
    if (invite === undefined) throw new Error('no invite')
    const device = await newcomer()
    const enrolled = orThrow(await enrolAs(device, ca.clock, { user: name, invite }))
    await device[Symbol.asyncDispose]()
    const anchor = orThrow(trustAnchor(enrolled.root, ca.clock.now()))
    const self = orThrow(verifyDevice(enrolled.certificate, { anchor, now: ca.clock.now() }))
    const stored: Uint8Array[] = []
    const peer = await createPeer({
      key: device.key,
      anchor,
      self,
      storeKey: new Uint8Array(randomBytes(32)),
      databasePath: join(folder.path, `${name}.db`),
      downloads: join(folder.path, name),
      listen: ['/ip4/127.0.0.1/tcp/0'],
      mdns: false,
      ca: { contact: invite, store: async (certificate) => void stored.push(certificate) },
      clock: ca.clock,
      random: systemRandom,
    })
    const seen: PeerEvent[] = []
    const waiting = new Set<() => void>()
    peer.on((event) => {
      seen.push(event)
      for (const look of waiting) look()
    })
    const until: Employee['until'] = (fits) => {
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
    }
    for (const other of employees) peer.meet(other.peer.self.peerId, other.peer.addresses())
    const employee = { peer, stored, until }
    employees.push(employee)
    return employee
  }
  return {
    ca,
    hire,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(employees.map(({ peer }) => peer.stop()))
      await ca.stop()
      await folder.remove()
    },
  }
}
