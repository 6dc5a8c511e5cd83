import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openStore, type Store } from '../../ca-node/beside.ts'
import { startPublisher } from '../../ca-node/publisher.ts'
import type { CrlOrder } from '../../ca-node/revocations.ts'
import type { PeerId } from '../../shared/ids.ts'
import { CERTIFICATE_LIFETIME_MS, CRL_INTERVAL_MS, DAY_MS } from '../../shared/limits.ts'
import { user } from '../support/certificates.ts'
import { manualClock, temporaryFolder } from '../support/enrolment.ts'

const NOW = 1_800_000_000_000
const fill = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let store: Store
beforeEach(async () => {
  folder = await temporaryFolder()
  store = await openStore(folder.path)
})
afterEach(async () => {
  await store.close()
  await folder.remove()
})

/** A user with one device and one certificate, all of one number. */
const enrol = async (name: string, number: number): Promise<void> => {
  await store.registry.addInvites([fill(32, number)], NOW + DAY_MS, NOW)
  const issued = {
    der: fill(9, number),
    serial: `0${number}`,
    notBefore: NOW,
    notAfter: NOW + CERTIFICATE_LIFETIME_MS,
    root: 1,
  }
  const admission = { kind: 'token', tokenHash: fill(32, number) } as const
  const device = { peerId: `peer ${number}` as PeerId, spki: fill(8, number), addresses: [] }
  expect(
    await store.registry.enrol({ user: user(name), admission, passwordHash: 'phc', ...device, issued }, NOW),
  ).toBeNull()
}

/** Signs nothing: a list that can be looked into. */
const publishing = () => ({
  revocations: store.revocations,
  signer,
  signerOf: () => 'newest' as const,
  log: () => undefined,
})

const signer = {
  root: 1,
  sign: async ({ number, entries, now }: CrlOrder) => ({
    der: Buffer.from(`${number}: ${entries.map(({ serial, reason }) => `${serial} ${reason}`).join(', ')}`),
    nextUpdate: now + 14 * DAY_MS,
  }),
}
const text = (der: Uint8Array): string => Buffer.from(der).toString()

describe('the revocation lists of a CA that serves', () => {
  test('are made at the first start, once a day by the wall clock, and at each revocation written down beside', async () => {
    const clock = manualClock(NOW)
    const publisher = await startPublisher({ ...publishing(), clock })
    expect(publisher.latest().number).toBe(1)
    clock.advance(CRL_INTERVAL_MS - 1)
    expect(await publisher.refresh()).toMatchObject({ number: 1 })
    clock.advance(1)
    expect(await publisher.refresh()).toMatchObject({ number: 2 })
    await enrol('alice', 1)
    const beside = await openStore(folder.path)
    await beside.revocations.revoke({ user: 'alice' }, 'unspecified', clock.now())
    await beside.close()
    await expect.poll(() => text(publisher.latest().der)).toBe('3: 01 unspecified')
    await publisher.stop()
  })

  test('are not made by a clock that is behind the last one: the CA does not start, and says so', async () => {
    await store.revocations.publish(signer, NOW)
    const parts = publishing()
    await expect(startPublisher({ ...parts, clock: manualClock(NOW - DAY_MS) })).rejects.toMatchObject({
      code: 'clock-behind',
    })
    const late = await startPublisher({ ...parts, clock: manualClock(NOW - 1_000) })
    await late.stop()
  })
})
