import { createHash } from 'node:crypto'
import { cp, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { verifyAudit } from '../../ca-node/audit.ts'
import { openBesideCa, type Store } from '../../ca-node/beside.ts'
import { systemClock } from '../../shared/clock.ts'
import { orThrow } from '../../shared/errors.ts'
import { exists } from '../../shared/folder.ts'
import { type Invite, parseInvite } from '../../shared/invite.ts'
import { type CaCommand, caCommand, type Serving } from '../support/ca-command.ts'
import { enrolAs, newcomer, PASSPHRASE, temporaryFolder } from '../support/enrolment.ts'
import { describeWithPostgres, type Postgres, startPostgres } from '../support/postgres.ts'
import { halfDone } from '../support/whole.ts'

const KEY = { LANYARD_CA_PASSPHRASE: PASSPHRASE }

// One life of a CA on a server: two processes, each with a home of its own, on one database; in order.
describeWithPostgres('a CA on a server', { timeout: 120_000 }, () => {
  let postgres: Postgres
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let url: string
  let one: CaCommand
  let two: CaCommand
  let three: CaCommand
  let first: Serving
  let second: Serving
  const homeOf = (name: string): string => join(folder.path, name)
  beforeAll(async () => {
    postgres = await startPostgres()
    folder = await temporaryFolder()
    url = await postgres.createDatabase('guarded')
    one = caCommand(homeOf('one'), { PGPASSWORD: 'guarded' })
    const passwords = homeOf('pgpass')
    await writeFile(passwords, '*:*:*:guarded:guarded\n', { mode: 0o600 })
    two = caCommand(homeOf('two'), { PGPASSFILE: passwords })
    three = caCommand(homeOf('three'))
  })
  afterAll(async () => {
    for (const ca of [one, two, three]) ca?.stop()
    await postgres?.stop()
    await folder?.remove()
  })

  const json = async (ca: CaCommand, ...args: readonly string[]) => {
    const { code, out, err } = await ca.run([...args, '--json'], KEY)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    return JSON.parse(out)
  }
  const fails = async (ca: CaCommand, args: readonly string[], words: string, environment = {}): Promise<void> => {
    const { code, out, err } = await ca.run(args, { ...KEY, ...environment })
    expect({ code, out, err }).toEqual({ code: 1, out: '', err: expect.stringContaining(words) })
    expect(err.split('\n')).toHaveLength(3) // what is wrong, and the next step
  }
  /** Looks into the database that a home has, without a process for it. */
  const look = async <T>(home: string, job: (store: Store) => Promise<T>): Promise<T> => {
    const { server }: { server?: string } = await readFile(join(homeOf(home), 'database.json'), 'utf8').then(
      JSON.parse,
      () => ({}),
    )
    const store = await openBesideCa(homeOf(home), systemClock.now(), server?.replace('guarded@', 'guarded:guarded@'))
    return await job(store).finally(store.close)
  }
  const namesIn = (home: string) => look(home, async ({ registry }) => (await registry.users()).map(({ name }) => name))
  const auditIn = (home: string) =>
    look(home, async ({ database, highWater }) => verifyAudit(database, await highWater.read()))
  const invites = async (count: number): Promise<Invite[]> =>
    (await json(one, 'invite', '--count', String(count))).invites.map(({ invite }: { invite: string }) =>
      orThrow(parseInvite(invite)),
    )
  /** Comes in at one of the two. @returns `in`, or the code of the refusal */
  const enrol = async (user: string, invite: Invite, at: Serving): Promise<string> => {
    await using device = await newcomer()
    const { addresses } = at.announced
    const outcome = await enrolAs(device, systemClock, { user, invite: { ...invite, addresses } })
    return 'code' in outcome ? outcome.code : 'in'
  }
  test('is not begun where the server does not let it in: not even its keys are made', async () => {
    await fails(three, ['--database', url], 'the database server does not let us in')
    expect(await exists(join(homeOf('three'), 'keys'))).toBe(false)
  })

  test('begins there, and its home remembers where, without the password', async () => {
    first = await one.serve(['--database', url])
    const memory = join(homeOf('one'), 'database.json')
    expect(JSON.parse(await readFile(memory, 'utf8'))).toEqual({ server: expect.any(String), begun: true })
    expect((await stat(memory)).mode & 0o777).toBe(0o600)
    expect((await json(one, 'users')).users).toEqual([])
    await fails(one, ['users'], 'the database server does not let us in', { PGPASSWORD: '' })
    const withPassword = url.replace('guarded@', 'guarded:guarded@')
    const { code } = await one.run(['users'], { PGPASSWORD: '', LANYARD_CA_DATABASE: withPassword })
    expect(code).toBe(0)
    expect(await readFile(memory, 'utf8')).not.toContain('guarded:')
  })

  test('does not take an empty database, or that of another CA, for its own', async () => {
    await fails(one, ['users', '--database', await postgres.createDatabase()], 'its database is not')
    await fails(three, ['--database', url, '--listen', '/ip4/127.0.0.1/tcp/0'], "not this CA's", {
      PGPASSWORD: 'guarded',
    })
  })

  test('is served by a second process with a copy of the keys, and invites name both', async () => {
    await cp(join(homeOf('one'), 'keys'), join(homeOf('two'), 'keys'), { recursive: true })
    await fails(two, ['users'], 'its database is not')
    second = await two.serve(['--database', url])
    const [invite] = await invites(1)
    const both = [first, second].flatMap(({ announced }) => announced.addresses)
    expect([...(invite?.addresses ?? [])].sort()).toEqual(both.sort())
  })

  test('takes 20 at once at both, with 4 duplicate names and one invite used 4 times: the right ones are in', async () => {
    const given = await invites(17)
    const shared = given[16]
    if (shared === undefined) throw new Error('no invites')
    const crowd = [
      ...given.slice(0, 16).map((invite, at) => ({ user: `user-${at % 12}`, invite })),
      ...Array.from({ length: 4 }, (_, at) => ({ user: `sharer-${at}`, invite: shared })),
    ]
    const places = [first, second] as const
    const outcomes = await Promise.all(
      crowd.map(({ user, invite }, at) => enrol(user, invite, places[at % 2 === 0 ? 0 : 1])),
    )
    expect(outcomes.slice(0, 16).sort()).toEqual([...repeat(12, 'in'), ...repeat(4, 'name-taken')])
    expect(outcomes.slice(16).filter((code) => code === 'in')).toHaveLength(1)
    for (const code of outcomes.slice(16)) expect(['in', 'token-used', 'rate-limited']).toContain(code)
    expect(await namesIn('two')).toHaveLength(13)
    expect(await look('one', halfDone)).toEqual([])
  })

  test('goes on with the one when the other is killed; nothing is half done, and the other comes back', async () => {
    const given = await invites(6)
    const killed = Promise.withResolvers<void>()
    const comeIn = async (invite: Invite, at: number): Promise<string> => {
      const code = await enrol(`later-${at}`, invite, at < 4 ? second : first).catch(() => 'cut off')
      if (at < 4 && second.child.kill('SIGKILL')) killed.resolve()
      return code
    }
    const outcomes = await Promise.all(given.map(comeIn))
    await killed.promise
    await second.ended
    expect(outcomes.slice(4)).toEqual(repeat(2, 'in'))
    expect(await look('one', halfDone)).toEqual([])
    second = await two.serve()
    const names = await namesIn('two')
    for (const [at, invite] of given.entries()) {
      const isIn = names.includes(`later-${at}`)
      if (outcomes[at] === 'in') expect(isIn).toBe(true)
      if (!isIn) expect(await enrol(`later-${at}`, invite, second)).toBe('in')
    }
    expect(await look('one', halfDone)).toEqual([])
  })

  test('signs a revocation once, wherever it was written down, and both tell the new list', async () => {
    const [told, alsoTold] = [listIn(first), listIn(second)]
    const { crl } = await json(two, 'revoke', 'user-0', '--yes')
    expect(await Promise.all([told, alsoTold])).toEqual([crl, crl])
  })

  test('outlives its server', async () => {
    const [invite] = await invites(1)
    if (invite === undefined) throw new Error('no invite')
    await postgres.kill()
    await fails(one, ['users'], 'the database server does not answer')
    expect(await enrol('patient', invite, first)).toBe('database-unreachable')
    await postgres.start()
    expect(await enrol('patient', invite, first)).toBe('in')
    expect([first.child.exitCode, second.child.exitCode]).toEqual([null, null])
  })

  test('is backed up while it serves, and restored when it does not: there, or into a file', async () => {
    const file = homeOf('backup')
    const { crl } = await json(one, 'backup', file)
    await fails(one, ['restore', file, '--yes'], 'another lanyard runs')
    const { devices } = await json(one, 'revoke', 'user-1', '--yes')
    for (const { child } of [first, second]) child.kill('SIGTERM')
    expect(await Promise.all([first.ended, second.ended])).toEqual([0, 0])
    const before = await namesIn('one')
    expect(await json(one, 'restore', file, '--yes')).toMatchObject({
      revocationsKept: devices.length,
      crlAtLeast: crl + 2,
    })
    expect(await namesIn('one')).toEqual(before)
    expect(await auditIn('one')).toMatchObject({ kind: 'intact' })
    await json(three, 'restore', file, '--yes')
    expect(await namesIn('three')).toEqual(before)
    expect(await auditIn('three')).toMatchObject({ kind: 'intact' })
  })

  test('is moved from a file to a server, all of it and compared, and the file stays as it was', async () => {
    const path = join(homeOf('three'), 'ca.db')
    const sum = async () =>
      createHash('sha256')
        .update(await readFile(path))
        .digest('hex')
    const target = await postgres.createDatabase()
    const before = await three.serve()
    await fails(three, ['move', '--to', target], 'another lanyard runs')
    before.child.kill('SIGTERM')
    await before.ended
    await fails(three, ['users', '--database', target], 'still the file ca.db')
    await fails(three, ['move', '--to', url], 'something in it already', { PGPASSWORD: 'guarded' })
    const latest = () => look('three', ({ revocations }) => revocations.latest())
    const [names, list] = [await namesIn('three'), await latest()]
    const untouched = await sum()
    expect(await json(three, 'move', '--to', target)).toMatchObject({
      moved: expect.any(Number),
      to: expect.any(String),
    })
    expect(await sum()).toBe(untouched)
    expect(await namesIn('three')).toEqual(names)
    expect(await json(three, 'audit', 'verify')).toMatchObject({ kind: 'intact' })
    await fails(three, ['move', '--to', target], 'it is on a server already')
    const after = await three.serve()
    expect(await latest()).toEqual(list)
    await json(three, 'invite')
    expect(await sum()).toBe(untouched)
    after.child.kill('SIGTERM')
    expect(await after.ended).toBe(0)
  })
})

const repeat = (count: number, word: string): string[] => Array.from({ length: count }, () => word)

/** The number of the next list that this process tells of. */
const listIn = ({ child }: Serving): Promise<number> =>
  new Promise((resolve) => {
    if (child.stderr === null) throw new Error('it has no log')
    createInterface({ input: child.stderr }).on('line', (line) => {
      const { msg, number } = JSON.parse(line)
      if (msg === 'crl') resolve(number)
    })
  })
