import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { backUp } from '../../peer/backup/backup.ts'
import { restore } from '../../peer/backup/restore.ts'
import type { PeerEvent } from '../../peer/events.ts'
import type { Peer } from '../../peer/peer.ts'
import { changeSettings, readSettings } from '../../peer/settings.ts'
import { blob, databasePath, openDatabase } from '../../peer/store/database.ts'
import { systemClock } from '../../shared/clock.ts'
import { orThrow } from '../../shared/errors.ts'
import { toHex } from '../../shared/ids.ts'
import { MINUTE_MS } from '../../shared/limits.ts'
import { systemRandom } from '../../shared/random.ts'
import { headerCodec } from '../../shared/wire/record.ts'
import { PASSPHRASE, runningClock, type TestCa, temporaryFolder, testCa } from '../support/enrolment.ts'
import { next, openHomes } from '../support/homes.ts'
import { peerCommand } from '../support/peer-command.ts'
import { createSmallDisk, testWithSmallDisk } from '../support/small-disk.ts'
import { says } from '../support/world.ts'

let ca: TestCa
beforeAll(async () => {
  ca = await testCa({ clock: runningClock() })
})
afterAll(() => ca.stop())

const save = (home: string, file: string) =>
  backUp({ home, file, passphrase: PASSPHRASE, clock: systemClock, random: systemRandom })

const textsOf = (peer: Peer) =>
  peer.history(peer.general, 100).flatMap(({ content }) => (content?.kind === 'text' ? [content.text] : []))

/** Of each message of a device that stands in a home's database: its life, epoch and index, and what its key was committed to. */
const keysUsed = (home: string, device: string): { place: string; life: string; commitment: string }[] => {
  const database = openDatabase(databasePath(home))
  try {
    const rows = database.prepare("SELECT header FROM named_records WHERE kind = 'message' AND device = ?").all(device)
    return rows.map(({ header }) => {
      const { inc, key } = orThrow(headerCodec.decode(blob(header)))
      if (key === undefined) throw new Error('a message without a key')
      const life = toHex(inc)
      return { life, place: `${life} ${key.epoch} ${key.index}`, commitment: toHex(key.commitment) }
    })
  } finally {
    database.close()
  }
}

const fouls = (peer: Peer): string[] => {
  const seen: string[] = []
  peer.on((event) => event.kind === 'foul' && seen.push(event.refusal.code))
  return seen
}
const twice = (event: PeerEvent) => event.kind === 'device-twice'

test('a backup that was made while the peer ran is another life of the device: nobody takes it for a forger, and two at once are told', {
  timeout: 180_000,
}, async () => {
  await using homes = await openHomes(ca)
  const [aliceHome, bobHome] = [await homes.settle('alice'), await homes.settle('bob')]
  const [alice, bob] = [await homes.start(aliceHome), await homes.start(bobHome)]
  const foulsOfBob = fouls(bob)
  const say = async (from: Peer, to: Peer, text: string): Promise<void> => {
    const heard = next(to, says(text))
    await from.say(from.general, text)
    await heard
  }
  await changeSettings(aliceHome, { strict: true })
  await say(alice, bob, 'before')
  await say(bob, alice, 'to alice')
  const file = join(homes.folder, 'alice.backup')
  // It talks on meanwhile: the copy is of one moment all the same.
  const saving = save(aliceHome, file)
  const lively = Array.from({ length: 40 }, (_, at) => alice.say(alice.general, `while it is copied ${at}`))
  await saving
  await Promise.all(lively)
  for (const text of ['one', 'two', 'three']) await say(alice, bob, text)
  const before = textsOf(alice)
  await homes.stop(alice)

  const moved = join(homes.folder, 'moved')
  expect(await restore(moved, file, PASSPHRASE)).toMatchObject({ profile: { user: 'alice', networkName: 'test' } })
  expect((await readSettings(moved)).strict).toBe(true)
  expect((await readdir(moved)).sort()).toEqual(['identity', 'lanyard.db', 'settings.json'])
  const again = await homes.start(moved)
  const foulsOfAlice = fouls(again)
  expect(again.self.peerId).toBe(alice.self.peerId)
  await say(again, bob, 'from the backup')
  await say(bob, again, 'you are back')
  // What it said after the backup comes from bob, and can be read.
  await expect.poll(() => textsOf(again)).toEqual([...before, 'from the backup', 'you are back'])

  // The lost machine turns up. The others reach one of the two at a time; it is told, and neither forges the other.
  ca.clock.advance(10 * MINUTE_MS)
  await say(again, bob, 'from the new machine')
  const old = await homes.start(aliceHome)
  const [warned, heard] = [next(old, twice), next(bob, says('from the old machine'))]
  await old.say(old.general, 'from the old machine')
  await homes.stop(again)
  await Promise.all([warned, heard])
  await homes.stop(old)
  const back = await homes.start(moved)
  await next(back, twice)
  for (const peer of [bob, back]) {
    const both = expect.arrayContaining(['from the new machine', 'from the old machine'])
    await expect.poll(() => textsOf(peer)).toEqual(both)
  }
  expect([foulsOfBob, foulsOfAlice]).toEqual([[], []])
  await Promise.all([homes.stop(back), homes.stop(bob)])
  const used = keysUsed(bobHome, alice.self.peerId)
  const different = (what: 'life' | 'place' | 'commitment') => new Set(used.map((one) => one[what])).size
  expect(different('life')).toBe(2)
  expect([different('place'), different('commitment')]).toEqual([used.length, used.length])
})

test('a restore takes a whole backup under its passphrase into a home that has nothing, or leaves nothing', {
  timeout: 120_000,
}, async () => {
  await using homes = await openHomes(ca)
  const home = await homes.settle('carol')
  const file = join(homes.folder, 'carol.backup')
  const bytes = await save(home, file)
  const whole = await readFile(file)
  expect(whole.byteLength).toBe(bytes)
  await expect(restore(home, file, PASSPHRASE)).rejects.toMatchObject({ code: 'already-enrolled' })
  await expect(backUp({ home, file: join(homes.folder, 'no/such/folder'), passphrase: PASSPHRASE, clock: systemClock, random: systemRandom })).rejects.toMatchObject({ code: 'storage-failed' }) // biome-ignore format: one line
  await expect(
    backUp({ home, file, passphrase: 'not the passphrase', clock: systemClock, random: systemRandom }),
  ).rejects.toMatchObject({ code: 'passphrase-wrong' })
  expect(await readFile(file)).toEqual(whole)

  const target = join(homes.folder, 'target')
  const tried = async (content: Uint8Array, passphrase = PASSPHRASE): Promise<string> => {
    const path = join(homes.folder, 'tried.backup')
    await writeFile(path, content)
    const code = await restore(target, path, passphrase).then(
      () => 'restored',
      (error) => error.code,
    )
    expect(await readdir(target)).toEqual([])
    return code
  }
  const flipped = (at: number): Uint8Array => {
    const copy = new Uint8Array(whole)
    copy[at] = (copy[at] ?? 0) ^ 1
    return copy
  }
  expect(await tried(whole, 'not the passphrase')).toBe('passphrase-wrong')
  expect(await tried(flipped(0))).toBe('backup-damaged')
  // The salt, the nonce, the length of the list, the list, the database, the tag.
  for (const at of [30, 45, 55, 200, whole.byteLength - 5_000, whole.byteLength - 1]) {
    expect(await tried(flipped(at)), `byte ${at}`).toBe('passphrase-wrong')
  }
  expect(await tried(whole.subarray(0, 10))).toBe('backup-damaged')
  for (const end of [80, 2_000, whole.byteLength - 1]) {
    expect(await tried(whole.subarray(0, end)), `cut at ${end}`).toBe('passphrase-wrong')
  }
  expect(await tried(Buffer.concat([whole, whole]))).toBe('passphrase-wrong')
  await expect(restore(target, join(homes.folder, 'nothing'), PASSPHRASE)).rejects.toMatchObject({
    code: 'file-unreadable',
  })

  // What a restore that was killed has left is in nobody's way.
  await mkdir(join(target, '.restore-killed'))
  await writeFile(databasePath(target), 'a database without an identity')
  await restore(target, file, PASSPHRASE)
  expect((await readdir(target)).sort()).toEqual(['identity', 'lanyard.db'])
  const carol = await homes.start(target)
  expect(carol.self.user).toBe('carol')
})

testWithSmallDisk(
  'a backup and a restore that the disk has no room for leave nothing behind, and say so',
  {
    timeout: 120_000,
  },
  async () => {
    await using homes = await openHomes(ca)
    const home = await homes.settle('dave')
    const file = join(homes.folder, 'dave.backup')
    await save(home, file)
    const disk = createSmallDisk(join(homes.folder, 'disk'), '300k')
    const holder = disk.start('sleep', ['120'], { stdio: 'ignore' })
    try {
      const onDisk = join(`/proc/${holder.pid}/root`, disk.path)
      await expect.poll(() => readdir(onDisk).catch(() => null)).toEqual([])
      await mkdir(join(onDisk, 'home'))
      disk.fill()
      const full = { code: expect.stringMatching(/^(disk-full|ENOSPC)$/) } // of which the command says the same
      await expect(restore(join(onDisk, 'home'), file, PASSPHRASE)).rejects.toMatchObject(full)
      await expect(save(home, join(onDisk, 'dave.backup'))).rejects.toMatchObject(full)
      expect(await readdir(join(onDisk, 'home'))).toEqual([])
      expect((await readdir(onDisk)).sort()).toEqual(['filling', 'home'])
    } finally {
      holder.kill('SIGKILL')
    }
  },
)

test('the commands say what they did, and what was wrong', { timeout: 120_000 }, async () => {
  await using homes = await openHomes(ca)
  const folder = await temporaryFolder()
  const home = await homes.settle('erin')
  const here = peerCommand(home)
  const elsewhere = peerCommand(join(folder.path, 'home'))
  const file = join(folder.path, 'erin.backup')
  try {
    expect(await here.json(['backup', file])).toMatchObject({ exit: 0, event: 'backed-up', file })
    const restored = await elsewhere.json(['restore', file])
    expect(restored).toMatchObject({ exit: 0, event: 'restored', user: 'erin', network: 'test' })
    const other = peerCommand(join(folder.path, 'other'))
    const wrong = await other.run(['restore', file], { LANYARD_PASSPHRASE: 'not the passphrase' })
    expect(wrong).toMatchObject({ code: 1, out: '' })
    expect(wrong.err).toMatch(/^lanyard: .*altered.*\nnext: .*\n$/)
  } finally {
    here.stop()
    await folder.remove()
  }
})
