import { cp, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { lastAudit, verifyAudit } from '../../ca-node/audit.ts'
import { openBesideCa, type Store } from '../../ca-node/beside.ts'
import { readCaIdentity } from '../../ca-node/root-key.ts'
import { isFromNewest } from '../../shared/certificate/lineage.ts'
import { isListOf } from '../../shared/certificate/revocation-list.ts'
import { systemClock } from '../../shared/clock.ts'
import { isRefusal, orThrow } from '../../shared/errors.ts'
import { type Invite, parseInvite } from '../../shared/invite.ts'
import { type CaCommand, caCommand, type Serving } from '../support/ca-command.ts'
import { enrolAs, newcomer, PASSPHRASE, temporaryFolder } from '../support/enrolment.ts'
import { describeWithPostgres, type Postgres, startPostgres } from '../support/postgres.ts'

const KEY = { LANYARD_CA_PASSPHRASE: PASSPHRASE }
const NEWER = 'a newer root than the one in these keys has signed already'

// Two processes of one CA on one database, each with a home of its own; in order.
describeWithPostgres('a root that is rolled over at one of two CA processes', { timeout: 180_000 }, () => {
  let postgres: Postgres
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let one: CaCommand
  let two: CaCommand
  let first: Serving
  let second: Serving
  const homeOf = (name: string): string => join(folder.path, name)
  beforeAll(async () => {
    postgres = await startPostgres()
    folder = await temporaryFolder()
    const url = await postgres.createDatabase()
    one = caCommand(homeOf('one'))
    two = caCommand(homeOf('two'))
    first = await one.serve(['--database', url])
    await cp(join(homeOf('one'), 'keys'), join(homeOf('two'), 'keys'), { recursive: true })
    second = await two.serve(['--database', url])
  }, 120_000)
  afterAll(async () => {
    for (const ca of [one, two]) ca?.stop()
    await postgres?.stop()
    await folder?.remove()
  })

  const json = async (ca: CaCommand, ...args: readonly string[]) => {
    const { code, out, err } = await ca.run([...args, '--json'], KEY)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    return JSON.parse(out)
  }
  const look = async <T>(job: (store: Store) => Promise<T>): Promise<T> => {
    const store = await openBesideCa(homeOf('one'), systemClock.now())
    return await job(store).finally(store.close)
  }
  const enrol = async (name: string, invite: Invite, at: Serving): Promise<string> => {
    await using device = await newcomer()
    const { addresses } = at.announced
    const outcome = await enrolAs(device, systemClock, { user: name, invite: { ...invite, addresses } })
    return isRefusal(outcome) ? outcome.code : 'in'
  }

  test('ends the other, which signs nothing more with the old one, whatever is asked of it meanwhile', async () => {
    const { invites } = await json(one, 'invite', '--count', '40')
    const given: readonly Invite[] = invites.map(({ invite }: { invite: string }) => orThrow(parseInvite(invite)))
    let over = false
    // Newcomers at the second process, one after the other, until it is gone; and each other one is revoked there.
    const crowd = async (): Promise<string[]> => {
      const outcomes: string[] = []
      for (const [at, invite] of given.entries()) {
        if (over) break
        const outcome = await enrol(`user-${at}`, invite, second).catch(() => 'cut off')
        outcomes.push(outcome)
        if (outcome === 'in' && at % 2 === 0) await two.run(['revoke', `user-${at}`, '--yes', '--json'])
      }
      return outcomes
    }
    const coming = crowd()
    await second.until('"enrolled"')
    const rolled = await json(one, 'roll-over', '--yes')
    expect(rolled).toMatchObject({ root: 2 })
    expect(await Promise.all([first.ended, second.ended])).toEqual([1, 1])
    over = true
    const outcomes = await coming
    expect(outcomes[0]).toBe('in')
    expect(second.said.err).toContain(NEWER)
    expect(second.said.err).toContain('next: bring the newest keys here')

    const { anchor } = await readCaIdentity(homeOf('one'), systemClock.now())
    await look(async ({ database, highWater }) => {
      const rows = await lastAudit(database, 1_000)
      const at = rows.findIndex(({ event }) => event === 'rolled-over')
      const after = rows.slice(at)
      const lists = await database.selectFrom('crls').select(['number', 'der']).execute()
      const isNew = new Map(lists.map(({ number, der }) => [String(number), isListOf(der, anchor.root)]))
      const signed = after.filter(({ event }) => event === 'crl').map(({ subject }) => isNew.get(subject))
      expect(signed.length).toBeGreaterThan(0)
      expect(signed).not.toContain(false)
      const certificates = await database.selectFrom('certificates').select(['serial', 'der']).execute()
      const later = certificates.filter(({ serial }) =>
        after.some(({ event, detail }) => event === 'enrolled' && detail.endsWith(serial)),
      )
      expect(later.every(({ der }) => isFromNewest(der, anchor))).toBe(true)
      expect(await verifyAudit(database, await highWater.read())).toMatchObject({ kind: 'intact' })
    })
  })

  test('is not begun again, nor rolled over, where the old keys are: the network would have two next roots', async () => {
    await expect(two.serve()).rejects.toThrow(NEWER)
    const { code, out, err } = await two.run(['roll-over', '--yes'], KEY)
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toContain(NEWER)
    expect(err.split('\n')).toHaveLength(3)
    expect((await readdir(homeOf('two'))).filter((name) => name.startsWith('keys'))).toEqual(['keys'])
    // The refused start has not written down that the old root is the newest.
    first = await one.serve()
    expect(await json(one, 'status')).toMatchObject({ root: 2 })
  })

  test('is served by both with a copy of the new keys, and both tell the same list', async () => {
    await cp(join(homeOf('one'), 'keys-2'), join(homeOf('two'), 'keys-2'), { recursive: true })
    second = await two.serve()
    expect((await readdir(homeOf('two'))).filter((name) => name.startsWith('keys'))).toEqual(['keys-2'])
    const { invites } = await json(one, 'invite', '--count', '2')
    const [here, there] = invites.map(({ invite }: { invite: string }) => orThrow(parseInvite(invite)))
    expect([await enrol('anna', here, first), await enrol('boris', there, second)]).toEqual(['in', 'in'])
    const told = Promise.all([first, second].map((one) => one.until('"crl"')))
    const { crl } = await json(two, 'revoke', 'anna', '--yes')
    await told
    expect((await look(({ revocations }) => revocations.latest()))?.number).toBe(crl)
  })
})
