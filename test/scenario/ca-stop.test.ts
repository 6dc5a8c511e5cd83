import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openBesideCa } from '../../ca-node/beside.ts'
import { enrol } from '../../peer/identity/enrol.ts'
import { systemClock } from '../../shared/clock.ts'
import { isRefusal, orThrow } from '../../shared/errors.ts'
import { parseInvite } from '../../shared/invite.ts'
import { type CaCommand, caCommand } from '../support/ca-command.ts'
import { user } from '../support/certificates.ts'
import { enrolAs, newcomer, PASSWORD, rawLine, temporaryFolder } from '../support/enrolment.ts'

const NEWCOMERS = 12

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let ca: CaCommand
beforeAll(async () => {
  folder = await temporaryFolder()
  ca = caCommand(join(folder.path, 'ca'))
})
afterAll(async () => {
  ca.stop()
  await folder.remove()
})

test('a CA that is told to stop while many enrol leaves nobody half enrolled, and the others come again with the same invites', async () => {
  await using devices = new AsyncDisposableStack()
  const first = await ca.serve()
  const invites = await ca.invites(NEWCOMERS)
  const comers = await Promise.all(
    invites.map(async (invite, at) => ({
      device: devices.use(await newcomer()),
      user: `newcomer-${at}`,
      invite: orThrow(parseInvite(invite)),
    })),
  )
  const someIsIn = Promise.withResolvers<void>()
  const coming = comers.map(async ({ device, ...parts }) => {
    const outcome = await enrolAs(device, systemClock, parts)
    if (!isRefusal(outcome)) someIsIn.resolve()
    return outcome
  })
  await someIsIn.promise
  first.child.kill('SIGTERM')
  expect(await first.ended).toBe(0)

  const outcomes = await Promise.all(coming)
  const hold = comers.filter((_, at) => !isRefusal(orElse(outcomes[at]))).map(({ user }) => user)
  const known = await usersOf()
  expect(hold.length).toBeGreaterThan(0)
  expect(known.toSorted()).toEqual(hold.toSorted())
  expect(JSON.parse((await ca.run(['audit', 'verify', '--json'])).out)).toMatchObject({ kind: 'intact' })

  const second = await ca.serve(['--listen', first.announced.addresses[0] ?? ''])
  for (const { device, ...parts } of comers) {
    if (hold.includes(parts.user)) continue
    expect(await enrolAs(device, systemClock, parts)).toHaveProperty('certificate')
  }
  expect((await usersOf()).length).toBe(NEWCOMERS)
  second.child.kill('SIGTERM')
  expect(await second.ended).toBe(0)
})

test('one who is being written down when the CA is told to stop is written down and told so, or neither', async () => {
  const serving = await ca.serve()
  const [text = ''] = await ca.invites(1)
  const invite = orThrow(parseInvite(text))
  await using device = await newcomer()
  const database = new DatabaseSync(join(folder.path, 'ca', 'ca.db'))
  /** The answer is on its way. On another stream of the same connection the CA speaks once it has read it. */
  const stopOnce = async (): Promise<void> => {
    const line = await rawLine(device, invite)
    await line.send({ kind: 'begin' })
    expect(await line.receive()).toMatchObject({ kind: 'identity' })
    serving.child.kill('SIGTERM')
    await serving.until('stopping')
    await line.receive(3_000) // it must not hang up on us while it writes
    database.close()
  }
  const told = Promise.withResolvers<void>()
  const outcome = await enrol({
    node: device.node,
    key: device.key,
    clock: systemClock,
    password: PASSWORD,
    user: user('last-one'),
    invite,
    beforeAnswer: async () => {
      database.exec('BEGIN IMMEDIATE') // from here on the CA can write nothing, and has to wait with the certificate
      setImmediate(() => void told.resolve(stopOnce()))
    },
  })
  await told.promise
  expect(await serving.ended).toBe(0)
  expect((await usersOf()).includes('last-one')).toBe(!isRefusal(outcome))
})

const usersOf = async (): Promise<string[]> => {
  const store = await openBesideCa(join(folder.path, 'ca'), systemClock.now())
  const users = await store.registry.users()
  await store.close()
  return users.map(({ name }) => name)
}

const orElse = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('one outcome a newcomer')
  return value
}
