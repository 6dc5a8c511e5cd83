import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { EnrolDoor } from '../../peer/identity/enrol.ts'
import { changePassword } from '../../peer/identity/password.ts'
import { systemClock } from '../../shared/clock.ts'
import { orThrow } from '../../shared/errors.ts'
import { formatInvite, parseInvite } from '../../shared/invite.ts'
import { type CaCommand, caCommand } from '../support/ca-command.ts'
import { user } from '../support/certificates.ts'
import { enrolAs, type Newcomer, newcomer, PASSPHRASE, PASSWORD, temporaryFolder } from '../support/enrolment.ts'
import { leaksIn } from '../support/leaks.ts'

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

const NEW_PASSWORD = 'an even better password'
const WRONG_PASSWORD = 'certainly a wrong one'

test('a CA that logs all it can, libp2p too, logs no password, token, passphrase or key of anybody who came', async () => {
  const serving = await ca.serve([], { DEBUG: '*,*:trace' })
  const [first, second] = (await ca.invites(2)).map((text) => orThrow(parseInvite(text)))
  if (first === undefined || second === undefined) throw new Error('two were asked for')
  const knock = (device: Newcomer, door: EnrolDoor, password = '') =>
    enrolAs(device, systemClock, { user: 'alice', invite: first, door, password })

  await using laptop = await newcomer()
  const { certificate } = orThrow(await enrolAs(laptop, systemClock, { user: 'alice', invite: first }))
  expect(await knock(laptop, { kind: 'renew', certificate })).toHaveProperty('certificate')
  await using phone = await newcomer()
  expect(await knock(phone, { kind: 'login' }, WRONG_PASSWORD)).toMatchObject({ code: 'password-wrong' })
  expect(await knock(phone, { kind: 'login' }, PASSWORD)).toHaveProperty('certificate')
  const change = { user: user('alice'), password: PASSWORD, newPassword: NEW_PASSWORD }
  expect(await changePassword({ node: laptop.node, ca: first, clock: systemClock }, change)).toBeNull()
  await using successor = await newcomer()
  const rekey = { kind: 'rekey', certificate, oldKey: laptop.key } as const
  expect(await knock(successor, rekey)).toHaveProperty('certificate')
  await using late = await newcomer()
  expect(await enrolAs(late, systemClock, { user: 'bob', invite: first })).toMatchObject({ code: 'token-used' })
  await using short = await newcomer()
  const tooShort = { user: 'bob', invite: second, password: WRONG_PASSWORD.slice(0, 7) }
  expect(await enrolAs(short, systemClock, tooShort)).toMatchObject({ code: 'password-too-short' })
  serving.child.kill('SIGTERM')
  expect(await serving.ended).toBe(0)

  const log = [new TextEncoder().encode(serving.said.err)]
  const keyOf = ({ key }: Newcomer) => new Uint8Array(key.export({ type: 'pkcs8', format: 'der' })).subarray(-64)
  // What is there to be found is found: libp2p's own words, and who came.
  expect(leaksIn(log, { libp2p: 'libp2p:', user: 'alice' })).toEqual(['libp2p, plain', 'user, plain'])
  expect(
    leaksIn(log, {
      passphrase: PASSPHRASE,
      password: PASSWORD,
      'new password': NEW_PASSWORD,
      'wrong password': WRONG_PASSWORD,
      'short password': tooShort.password,
      'used token': first.token,
      'open token': second.token,
      'token as in the invite': formatInvite(second).match(/&t=([^&]+)/)?.[1] ?? '',
      'key of the laptop': keyOf(laptop),
      'key of the successor': keyOf(successor),
    }),
  ).toEqual([])
})
