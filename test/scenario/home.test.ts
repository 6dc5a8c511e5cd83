import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openKeystore } from '../../peer/identity/keystore.ts'
import { renewFromHome } from '../../peer/identity/renew.ts'
import { readCertificate } from '../../shared/certificate/certificate.ts'
import { orThrow } from '../../shared/errors.ts'
import { CERTIFICATE_LIFETIME_MS, DAY_MS, HOUR_MS, RENEWAL_GRACE_MS } from '../../shared/limits.ts'
import { enrolAs, newcomer, PASSPHRASE, PASSWORD, type TestCa, testCa } from '../support/enrolment.ts'
import { openHomes } from '../support/homes.ts'

let ca: TestCa
beforeAll(async () => {
  ca = await testCa()
})
afterAll(() => ca.stop())

const endOf = async (home: string): Promise<number> =>
  orThrow(readCertificate((await openKeystore(home, PASSPHRASE)).certificate)).notAfter

describe('a home that was shut over the end of its certificate', () => {
  test('is renewed by its key when it is opened, and keeps the new certificate', async () => {
    await using homes = await openHomes(ca)
    const home = await homes.settle('early-bird')
    ca.clock.advance(CERTIFICATE_LIFETIME_MS + DAY_MS)
    const peer = await homes.start(home)
    expect(peer.self.notAfter).toBeGreaterThan(ca.clock.now() + CERTIFICATE_LIFETIME_MS - HOUR_MS)
    expect(await endOf(home)).toBe(peer.self.notAfter)
    // It listened nowhere while it renewed: newcomers are still told where it was.
    await using device = await newcomer()
    const { directory } = orThrow(await enrolAs(device, ca.clock, { user: 'late-riser', invite: await ca.oneInvite() }))
    const entry = directory.find(({ certificate }) => Buffer.compare(certificate, peer.self.certificate) === 0)
    expect(entry?.addresses).toEqual([expect.stringMatching(/^\/ip4\/127\.0\.0\.1\/tcp\/\d+/)])
  })

  test('says so while the CA is away, and is as it was', async () => {
    await using homes = await openHomes(ca)
    const home = await homes.settle('stranded')
    const before = await endOf(home)
    ca.clock.advance(CERTIFICATE_LIFETIME_MS + DAY_MS)
    await ca.turnOff()
    await expect(homes.start(home)).rejects.toMatchObject({ code: 'certificate-expired' })
    await ca.turnOn()
    expect(await endOf(home)).toBe(before)
    expect((await homes.start(home)).self.notAfter).toBeGreaterThan(ca.clock.now())
  })

  test('is renewed by the key alone for 30 days, and from then on by the password', async () => {
    await using homes = await openHomes(ca)
    const home = await homes.settle('sabbatical')
    ca.clock.advance(CERTIFICATE_LIFETIME_MS + RENEWAL_GRACE_MS - HOUR_MS)
    await homes.stop(await homes.start(home))
    ca.clock.advance(CERTIFICATE_LIFETIME_MS + RENEWAL_GRACE_MS + HOUR_MS)
    await expect(homes.start(home)).rejects.toMatchObject({ code: 'password-needed', refusal: { by: 'there' } })
    const keystore = await openKeystore(home, PASSPHRASE)
    expect(await renewFromHome(keystore, ca.clock, 'a wrong password')).toMatchObject({ code: 'password-wrong' })
    expect(await renewFromHome(keystore, ca.clock, PASSWORD)).toHaveProperty('certificate')
  })
})
