import { createServer } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startCa } from '../../ca-node/ca.ts'
import { createCaKeys } from '../../ca-node/root-key.ts'
import { systemClock } from '../../shared/clock.ts'
import { orThrow } from '../../shared/errors.ts'
import { parseInvite } from '../../shared/invite.ts'
import { DAY_MS } from '../../shared/limits.ts'
import { systemRandom } from '../../shared/random.ts'
import { type CaCommand, caCommand, type Outcome } from '../support/ca-command.ts'
import { enrolAs, manualClock, newcomer, PASSPHRASE, temporaryFolder } from '../support/enrolment.ts'
import { createSmallDisk, testWithSmallDisk } from '../support/small-disk.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let home: string
let ca: CaCommand
beforeEach(async () => {
  folder = await temporaryFolder()
  home = join(folder.path, 'ca')
  ca = caCommand(home)
})
afterEach(async () => {
  ca.stop()
  await folder.remove()
})

const KEY = { LANYARD_CA_PASSPHRASE: PASSPHRASE }
const LISTEN = ['--listen', '/ip4/127.0.0.1/tcp/0']

const enrolWith = async (name: string, text: string | undefined) => {
  await using device = await newcomer()
  return await enrolAs(device, systemClock, { user: name, invite: orThrow(parseInvite(text ?? '')) })
}

/** Two lines of plain words and an exit code; no stack. */
const expectTold = ({ code, err }: Outcome, what: string, next: string): void => {
  expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining(what) })
  expect(err).toContain(`\nnext: `)
  expect(err).toContain(next)
  expect(err).not.toMatch(/^ +at /m)
}

const json = async (args: readonly string[]) => JSON.parse((await ca.run([...args, '--json'])).out)

// A CA that can't do its work says why in words, loses nothing, and goes on once the trouble is over.
describe('an operator is told, in words,', () => {
  test.each(['--listen', '--health'])('that the port of %s is taken', async (option) => {
    const squatter = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => squatter.once('listening', resolve))
    const address = squatter.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const options = option === '--listen' ? [option, `/ip4/127.0.0.1/tcp/${port}`] : [...LISTEN, option, String(port)]
    expectTold(await ca.run(options, KEY), 'the port is taken by another program', '--listen (or --health)')
    squatter.close()
  })

  test("that the machine's clock is behind the last list", async () => {
    const clock = manualClock()
    await createCaKeys(home, { networkName: 'test', passphrase: PASSPHRASE, random: systemRandom, now: clock.now() })
    clock.advance(DAY_MS)
    const listen = ['/ip4/127.0.0.1/tcp/0']
    const parts = { home, passphrase: PASSPHRASE, listen, clock, random: systemRandom, log: () => undefined }
    await (await startCa(parts)).stop()
    expectTold(await ca.run(LISTEN, KEY), 'clock is behind the last revocation list', 'set the clock right')
  })

  test('that another program keeps the database locked; nobody gets in meanwhile, and all of them do after it', async () => {
    const serving = await ca.serve()
    const [invite] = await ca.invites(1)
    const other = new DatabaseSync(join(home, 'ca.db'))
    other.exec('BEGIN IMMEDIATE')
    expectTold(await ca.run(['invite']), 'another program keeps the database locked', 'end the program that holds')
    expect(await enrolWith('alice', invite)).toMatchObject({ code: 'database-locked', by: 'there' })
    expect(await json(['status'])).toMatchObject({ users: 0, openInvites: 2 }) // looking needs no lock
    other.close()
    expect(await enrolWith('alice', invite)).toHaveProperty('certificate')
    expect((await ca.run(['invite'])).code).toBe(0)
    expect(await json(['audit', 'verify'])).toMatchObject({ kind: 'intact' })
    serving.child.kill('SIGTERM')
    expect(await serving.ended).toBe(0)
  })

  testWithSmallDisk('that the disk is full; nothing is lost, and with room again all goes on', async () => {
    const disk = createSmallDisk(join(folder.path, 'disk'), '4m')
    ca = caCommand(join(disk.path, 'ca'), KEY, disk.start)
    const serving = await ca.serve()
    const [first, second] = await ca.invites(2)
    expect(await enrolWith('alice', first)).toHaveProperty('certificate')
    const before = await json(['status'])

    disk.fill()
    expect(await enrolWith('bob', second)).toMatchObject({ code: 'disk-full', by: 'there' })
    const full = ['there is not enough room on the disk', 'free some room'] as const
    expectTold(await ca.run(['invite']), ...full)
    expectTold(await ca.run(['revoke', 'alice', '--yes']), ...full)
    expectTold(await ca.run(['backup', join(disk.path, 'backup')]), ...full)
    expectTold(await ca.run(['export', '--out', join(disk.path, 'papers')]), ...full)
    expect(await json(['status'])).toEqual(before)

    disk.clear()
    expect(await enrolWith('bob', second)).toHaveProperty('certificate')
    expect(await json(['revoke', 'alice', '--yes'])).toMatchObject({ user: 'alice', crl: before.crl.number + 1 })
    expect(await json(['audit', 'verify'])).toMatchObject({ kind: 'intact' })
    expect(await json(['status'])).toMatchObject({ users: 2, revoked: 1, unsignedRevocations: false })

    disk.fill()
    serving.child.kill('SIGTERM')
    expect(await serving.ended).toBe(0)
  })
})
