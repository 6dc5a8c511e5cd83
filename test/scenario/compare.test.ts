import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PeerEvent } from '../../peer/events.ts'
import type { Peer } from '../../peer/peer.ts'
import { databasePath, openDatabase } from '../../peer/store/database.ts'
import { HOUR_MS } from '../../shared/limits.ts'
import { user } from '../support/certificates.ts'
import { runningClock, type TestCa, testCa } from '../support/enrolment.ts'
import { next, openHomes } from '../support/homes.ts'
import { peerCommand } from '../support/peer-command.ts'
import { sitDown } from '../support/terminal.ts'

let ca: TestCa
beforeAll(async () => {
  ca = await testCa({ clock: runningClock() })
})
afterAll(() => ca.stop())

const [ALICE, BOB] = [user('alice'), user('bob')]
const devicesOfBob = (peer: Peer) => peer.users().find((one) => one.user === 'bob')?.devices ?? []
const isNew = (event: PeerEvent) => event.kind === 'device-new'

test('two who have compared in person are told of a new device of the other, loudly and until they compare again', {
  timeout: 180_000,
}, async () => {
  await using homes = await openHomes(ca)
  const [aliceHome, bobHome] = [await homes.settle('alice'), await homes.settle('bob')]
  const [alice, bob] = [await homes.start(aliceHome), await homes.start(bobHome)]
  const news: PeerEvent[] = []
  alice.on((event) => isNew(event) && news.push(event))
  await expect.poll(() => devicesOfBob(alice)[0]?.present).toBe(true)

  // Both screens show the same, and what one scans from the other is what it shows itself.
  const [mine, theirs] = [alice.comparisons.with(BOB), bob.comparisons.with(ALICE)]
  expect(theirs).toMatchObject({ number: mine.number, link: mine.link, ours: mine.theirs, theirs: mine.ours })
  expect(mine.number.join(' ')).toMatch(/^(\d{5} ){11}\d{5}$/)
  expect(alice.comparisons.check(BOB, theirs.link)).toBeNull()
  const refusals = {
    'compare-malformed': theirs.link.slice(0, -1),
    'compare-other': theirs.link.replace('u=bob', 'u=carol'),
    'compare-differs': theirs.link.replace(/(u=bob:)(.)/, (_all, start, first) => start + (first === 'A' ? 'B' : 'A')),
  }
  for (const [code, link] of Object.entries(refusals)) {
    expect(alice.comparisons.check(BOB, link)).toMatchObject({ code })
  }
  expect(() => alice.comparisons.with(ALICE)).toThrow('that is you')

  const screen = sitDown({ peer: alice })
  screen.type('/verify @bob')
  await screen.sees(mine.number.slice(0, 4).join('  '))
  await screen.sees(mine.link)
  screen.type(`/verify @bob ${theirs.link}`)
  await screen.sees('the same on both screens')
  screen.type('/verified @bob')
  await screen.sees('bob is compared')
  expect(alice.comparisons.stateOf(BOB)).toBe('yes')

  // A renewed certificate is the same key under another date.
  const before = devicesOfBob(alice)[0]?.expires ?? 0
  ca.clock.advance(HOUR_MS)
  expect(await bob.renew()).toBeNull()
  await expect.poll(() => devicesOfBob(alice)[0]?.expires ?? 0).toBeGreaterThan(before)
  expect([alice.comparisons.stateOf(BOB), news]).toEqual(['yes', []])

  // Another device of bob's: whoever has his password, and his name, has one like it.
  const told = next(alice, isNew)
  const second = await homes.start(await homes.settle('bob', 'further-device', 'bob2'))
  expect(await told).toEqual({ kind: 'device-new', user: 'bob', device: second.self.peerId })
  await screen.sees(`has a new device: nobody has compared its key (bob: …${second.self.peerId.slice(-6)})`)
  screen.type('/users')
  await screen.sees(/bob .* compared\n/)
  await screen.sees(new RegExp(`${second.self.peerId.slice(-6)} {2}NEW: not compared`))
  expect(alice.comparisons.check(BOB, theirs.link)).toMatchObject({ code: 'compare-differs' })
  expect(() => alice.comparisons.mark(BOB, mine.number)).toThrow('a device has come since')
  screen.type('/verified @bob') // of what was on the screen before the device came
  await screen.sees('a device has come since')
  await screen.leave()
  expect(news).toHaveLength(1)

  // A restart does not forget it, and a second look ends it.
  await homes.stop(alice)
  const again = await homes.start(aliceHome)
  expect(again.comparisons.fresh()).toEqual([{ user: 'bob', device: second.self.peerId }])
  const back = sitDown({ peer: again })
  await back.sees('has a new device')
  await expect.poll(() => second.comparisons.with(ALICE).number).toEqual(again.comparisons.with(BOB).number)
  back.type('/verified @bob')
  await back.sees('bob is compared')
  expect([again.comparisons.stateOf(BOB), again.comparisons.fresh()]).toEqual(['yes', []])
  await back.leave()
  await homes.stop(again)

  // On the disk nobody sees whom alice has met.
  const database = openDatabase(databasePath(aliceHome))
  const rows = database.prepare("SELECT name, sealed FROM desk WHERE kind = 'compared'").all()
  database.close()
  expect(rows).toHaveLength(1)
  expect(Buffer.concat(rows.flatMap(({ name, sealed }) => [name, sealed] as Buffer[])).toString('latin1')).not.toContain('bob') // biome-ignore format: one line

  const command = peerCommand(aliceHome)
  try {
    const wrong = await command.run(['verify', '@bob', '--scanned', theirs.link])
    expect(wrong).toMatchObject({ code: 1, err: expect.stringContaining('do not show the same keys') })
    const right = second.comparisons.with(ALICE).link
    const scanned = await command.json(['verify', '@bob', '--scanned', right, '--yes'])
    expect(scanned).toMatchObject({ exit: 0, event: 'scanned', user: 'bob', state: 'yes' })
  } finally {
    command.stop()
  }
})
