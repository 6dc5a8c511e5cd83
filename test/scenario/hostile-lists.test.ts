import type { KeyObject } from 'node:crypto'
import { expect, test } from 'vitest'
import { openCaKeys } from '../../ca-node/root-key.ts'
import { enrol } from '../../peer/identity/enrol.ts'
import { createRevocationList } from '../../shared/certificate/new-revocation-list.ts'
import { orThrow } from '../../shared/errors.ts'
import { openChannel } from '../../shared/network/channel.ts'
import { type Connection, createNode } from '../../shared/network/node.ts'
import { peerIdOf } from '../../shared/network/peer-id.ts'
import { revocationCodec, revocationProtocol } from '../../shared/wire/revocation.ts'
import { newKey, testNetwork, user } from '../support/certificates.ts'
import { type Colleague, type Company, openCompany, rollOverAt } from '../support/company.ts'
import { PASSPHRASE, PASSWORD } from '../support/enrolment.ts'
import { listOf, loseADay } from '../support/restored.ts'

// A device that hands lists to a CA which was put back from a backup: over real connections.

/** A device of this network that the CA finds where it said, and that answers with what it likes. */
const infiltrate = async (company: Company) => {
  const key = newKey()
  const node = await createNode({ key, listen: ['/ip4/127.0.0.1/tcp/0'] })
  const { clock } = company
  const protocol = revocationProtocol(company.ca().network)
  const asked = { node, key, clock, addresses: node.addresses(), invite: await company.invite() }
  orThrow(await enrol({ ...asked, user: user('trudy'), password: PASSWORD }))
  /** Hands over a list under a number, on a connection with the CA. */
  const handOver = async (connection: Connection, number: number, der: Uint8Array): Promise<void> => {
    const stream = await node.open(connection, protocol)
    const words = { incoming: revocationCodec, outgoing: revocationCodec }
    const line = openChannel(stream, words, { maxFrameBytes: 2 ** 21 })
    await line.send({ kind: 'have', number, root: 1 })
    await line.send({ kind: 'piece', der })
    await line.send({ kind: 'end' })
  }
  return { key, node, handOver, [Symbol.asyncDispose]: () => node.stop() }
}

/** A list with this one on it, that somebody has signed. */
const listWith = (
  issuer: { readonly certificate: Uint8Array; readonly key: KeyObject },
  number: number,
  { company, out }: { readonly company: Company; readonly out: Colleague },
): Promise<Uint8Array> => {
  const date = company.clock.now()
  const entries = [{ serial: out.peer.self.serial, date, reason: 'keyCompromise' as const }]
  return createRevocationList({ issuer, number, thisUpdate: date, entries })
}

const refusals = ({ logged }: Company) =>
  logged.flatMap(({ event, facts }) => (event === 'crl-refused' ? [facts.reason] : []))

test.each<[what: string, code: string | null]>([
  ['signed by itself', 'crl-bad-signature'],
  ['of another network', 'crl-bad-signature'],
  ['cut short', 'crl-malformed'],
  ['from before the backup, as a newer one', null],
])(
  'a device that is asked and hands over a list %s puts nobody out, and lets nobody in',
  {
    timeout: 120_000,
  },
  async (what, code) => {
    await using company = await openCompany()
    await company.open()
    const alice = await company.hire('alice')
    await company.hire('carol').then((one) => one.leave())
    await company.hire('mallory').then((one) => one.leave())
    await using trudy = await infiltrate(company)
    const { certificate } = company.ca().identity.anchor
    const foreign = testNetwork()
    const lists: Record<string, Uint8Array> = {
      'signed by itself': await listWith({ certificate, key: trudy.key }, 900, { company, out: alice }),
      'of another network': await listWith({ certificate: foreign.root, key: foreign.rootKey }, 900, {
        company,
        out: alice,
      }),
      'cut short': company.ca().crl().der.subarray(0, -1),
      'from before the backup, as a newer one': company.ca().crl().der,
    }
    const caPeer = company.ca().peerId
    const { lost, putBack } = await loseADay(company, alice)
    trudy.node.onConnection((connection) => {
      const isCa = connection.direction === 'inbound' && peerIdOf(connection.remotePeer) === caPeer
      if (isCa) trudy.handOver(connection, 900, lists[what] ?? new Uint8Array()).catch(() => undefined)
    })

    const { number } = (await company.open(await putBack())).crl()
    expect(refusals(company)).toEqual(code === null ? [] : [code])
    expect(number).toBeGreaterThan(lost)
    const list = await listOf(company)
    expect(list.size).toBe(2) // mallory and carol, by alice's list
    expect(list.find(alice.peer.self.serial)).toBeUndefined()
  },
)

test('a list by an older root counts for what may have been lost, and for nothing else', {
  timeout: 180_000,
}, async () => {
  await using company = await openCompany()
  await company.open()
  const alice = await company.hire('alice')
  await company.hire('carol').then((one) => one.leave())
  const mallory = await company.hire('mallory')
  await mallory.leave()
  await using trudy = await infiltrate(company)
  const end = trudy.node.onConnection((connection) => connection.abort(new Error('does not wish to be asked')))
  const old = await openCaKeys(company.home, PASSPHRASE, company.clock.now())
  const { putBack } = await loseADay(company, alice)
  await rollOverAt(company)
  // The new keys are here, and the database is lost with all that was revoked.
  const home = await putBack(company.home)
  await company.open(home)
  const list = await listOf(company)
  expect(list.find(mallory.peer.self.serial)?.reason).toBe('keyCompromise') // by a list of the old root, from alice
  expect(refusals(company)).toEqual([])

  // Who has the old root's key can't put anybody out later, or use the numbers up.
  const before = company.ca().crl().number
  const issuer = { certificate: old.anchor.certificate, key: old.rootKey }
  end()
  const { addresses, peerId } = company.ca()
  const connection = await trudy.node.dial(addresses.map((address) => `${address}/p2p/${peerId}`))
  await trudy.handOver(connection, 2 ** 40, await listWith(issuer, 2 ** 40, { company, out: alice }))
  await expect.poll(() => refusals(company)).toEqual(['crl-wrong-issuer'])
  expect(company.ca().crl().number).toBe(before)
  expect((await listOf(company)).find(alice.peer.self.serial)).toBeUndefined()
})
