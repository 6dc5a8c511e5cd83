import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { reportLines } from '../../peer/terminal/transcript-lines.ts'
import { reportShape } from '../../peer/transcript/report.ts'
import { createRevocationList } from '../../shared/certificate/new-revocation-list.ts'
import { toPem } from '../../shared/certificate/pem.ts'
import { isRefusal } from '../../shared/errors.ts'
import { receiptStatementCodec } from '../../shared/wire/transcript.ts'
import { user } from '../support/certificates.ts'
import { peerCommand } from '../support/peer-command.ts'
import { codesOf, examine, gather, piecesOf } from '../support/transcripts.ts'
import { createWorld, type Resident, says } from '../support/world.ts'

let world: Awaited<ReturnType<typeof createWorld>>
beforeEach(async () => {
  world = await createWorld()
})
afterEach(() => world[Symbol.asyncDispose]())

const WAIT = { timeout: 60_000, interval: 20 }
const people = async <const Names extends readonly string[]>(
  ...names: Names
): Promise<{ [Key in keyof Names]: Resident }> => {
  const found: Resident[] = []
  for (const name of names) found.push(await world.settle(name))
  const known = ({ peer }: Resident): number => peer.users().length
  await vi.waitFor(() => expect(found.map(known)).toEqual(names.map(() => names.length)), WAIT)
  return found as { [Key in keyof Names]: Resident }
}
type Order = Parameters<Resident['peer']['transcripts']['records']>[0]
const exported = ({ peer }: Resident, order: Order) => gather(peer.transcripts.records(order))
const judged = async (one: Resident, order: Order) => examine(await exported(one, order), world.network.root)
const spoken = ({ messages }: Awaited<ReturnType<typeof judged>>) =>
  messages?.map(({ user: who, kind, text, counts }) => `${counts ? '' : '? '}${who}: ${text ?? kind}`)

test('what was said in #general is proved by one file and the root, and read with the keys', async () => {
  const [alice, bob] = await people('alice', 'bob')
  const { general } = alice.peer
  const id = await alice.peer.say(general, 'the price is 10')
  await alice.peer.edit(id, 'the price is 100')
  await vi.waitFor(() => expect(bob.peer.message(id)?.edited).toBeTypeOf('number'), WAIT)
  const answer = await bob.peer.say(general, 'agreed', { reply: id })
  await alice.until(says('agreed'))
  const slip = await bob.peer.say(general, 'a slip')
  await bob.peer.takeBack(slip)
  await vi.waitFor(() => expect(alice.peer.message(slip)?.deleted).toBe(true), WAIT)
  const order = { room: general, name: '#general' }
  const closed = await judged(alice, order)
  expect(closed).toMatchObject({ ok: true, messages: null, exporter: { user: 'alice' }, membership: 'judged' })
  for (const one of [alice, bob]) {
    const open = await judged(one, { ...order, withKeys: true })
    expect(codesOf(open)).toEqual([])
    const words = ['alice: the price is 10', 'alice: the price is 100', 'bob: agreed', 'bob: erased', 'bob: delete']
    expect(spoken(open)).toEqual(words)
    expect(open.messages?.find((message) => message.id === answer)?.of).toBe(id)
    expect(reportLines(open).join('\n')).toMatch(/VERIFIED: each record was signed/)
  }
})

test('a room with members, and one of two, are judged by their own records', async () => {
  const [alice, bob, carol] = await people('alice', 'bob', 'carol')
  const room = await alice.peer.politics.found({ name: 'plans', access: 'invite', history: 'all' })
  await alice.peer.politics.invite(room, user('bob'))
  await vi.waitFor(() => expect(bob.peer.rooms().find(({ id }) => id === room)?.member).toBe(true), WAIT)
  await bob.peer.say(room, 'I am in')
  await alice.until(says('I am in'))
  await alice.peer.politics.remove(room, user('bob'))
  await alice.peer.say(room, 'now we are alone')
  const report = await judged(alice, { room, name: '#elsewhere', withKeys: true })
  expect(codesOf(report)).toEqual([])
  expect(report).toMatchObject({ ok: true, membership: 'judged', transcript: { name: 'plans', withKeys: true } })
  expect(spoken(report)).toEqual(['bob: I am in', 'alice: now we are alone'])
  const two = alice.peer.direct(user('carol'))
  await alice.peer.say(two, 'only for you')
  await carol.until(says('only for you'))
  for (const one of [alice, carol]) {
    const direct = await judged(one, { room: two, name: '@carol', withKeys: true })
    expect(codesOf(direct)).toEqual([])
    expect(direct).toMatchObject({ membership: 'judged' })
    expect(spoken(direct)).toEqual(['alice: only for you'])
  }
})

test('of a part the cut is stated, and the rest verifies', async () => {
  const [alice] = await people('alice')
  const { general } = alice.peer
  for (const text of ['one', 'two', 'three', 'four']) await alice.peer.say(general, text)
  const times = alice.peer.history(general, 10).map(({ time }) => time)
  const [from, to] = [times[1] ?? 0, times[2] ?? 0]
  const report = await judged(alice, { room: general, name: '#general', from, to, withKeys: true })
  expect(codesOf(report)).toEqual([])
  expect(spoken(report)).toEqual(expect.arrayContaining(['alice: two', 'alice: three']))
  expect(report.logs[0]?.first).toBeGreaterThan(0)
  expect(report.logs[0]?.prev).toMatch(/^[0-9a-f]{64}$/)
  expect(reportLines(report).join('\n')).toContain(`chained to ${report.logs[0]?.prev}`)
  const nothing = await judged(alice, { room: general, name: '#general', from: 5, to: 6 })
  expect(nothing).toMatchObject({ ok: true, records: 0, logs: [] })
})

test('a device whose key was stolen: what is backdated is named, what was vouched for counts', async () => {
  const [alice, bob, mallory] = await people('alice', 'bob', 'mallory')
  const { general } = alice.peer
  await mallory.peer.say(general, 'an honest word')
  await Promise.all([alice.until(says('an honest word')), bob.until(says('an honest word'))])
  await bob.peer.markRead(general) // soon his receipt tells what he holds
  await mallory.until((event) => event.kind === 'read' && event.user === 'bob')
  await alice.leave()
  await bob.leave()
  const list = await createRevocationList({
    issuer: { certificate: world.network.root, key: world.network.rootKey },
    number: 1,
    thisUpdate: Date.now() - 1_000,
    entries: [{ serial: mallory.peer.self.serial, date: Date.now() + 2_000, reason: 'keyCompromise' }],
  })
  const late = await mallory.peer.say(general, 'I never said so') // nobody is there to vouch for it
  const bytes = await exported(mallory, { room: general, name: '#general', withKeys: true })
  const report = await examine(bytes, world.network.root, { crls: [list] })
  expect(codesOf(report)).toEqual(['record-unvouched'])
  expect(report.messages?.map(({ id, counts }) => [id === late, counts])).toEqual([
    [false, true],
    [true, false],
  ])
  expect(spoken(report)?.at(-1)).toBe('? mallory: I never said so')
})

test('two records with one number, as a member keeps them, are in its transcript', async () => {
  const [alice, bob] = await people('alice', 'bob')
  const { general } = alice.peer
  await bob.peer.say(general, 'yes')
  await alice.until(says('yes'))
  // Bob's own device is put back to before it said so, and says something else: a restore that nobody noticed.
  await bob.leave()
  const database = new DatabaseSync(bob.databasePath)
  const [row] = database.prepare("SELECT device, inc, MAX(seq) AS seq FROM named_records WHERE kind = 'message'").all()
  database
    .prepare('DELETE FROM records WHERE room = (SELECT number FROM names WHERE name = ?) AND seq >= ?')
    .run(general, Number(row?.seq ?? 0))
  database.close()
  await alice.leave()
  await bob.comeBack()
  await bob.peer.say(general, 'no')
  await alice.comeBack()
  alice.peer.meet(bob.peer.self.peerId, bob.peer.addresses())
  await alice.until((event) => event.kind === 'foul' && event.refusal.code === 'record-equivocation')
  const report = await judged(alice, { room: general, name: '#general' })
  expect(codesOf(report)).toEqual(['record-equivocation'])
  expect(report.problems).toMatchObject([{ user: 'bob', seq: Number(row?.seq) }])
})

test('a receipt says what a device held, and proves it', async () => {
  const [alice] = await people('alice')
  const { general } = alice.peer
  await alice.peer.say(general, 'one')
  const bytes = await gather(alice.peer.transcripts.receipt({ room: general, name: '#general' }))
  const report = await examine(bytes, world.network.root)
  expect(report).toMatchObject({ ok: true, records: 0, transcript: { what: 'receipt' }, exporter: { user: 'alice' } })
  const changed = Uint8Array.from(bytes)
  changed[changed.byteLength - 10] = (changed.at(-10) ?? 0) ^ 1
  expect((await examine(changed, world.network.root)).ok).toBe(false)
})

test('who leaves a room signs what was held, and has it after a restart', async () => {
  const [alice, bob] = await people('alice', 'bob')
  const room = await alice.peer.politics.found({ name: 'plans', access: 'invite', history: 'all' })
  await alice.peer.politics.invite(room, user('bob'))
  await vi.waitFor(() => expect(bob.peer.rooms().find(({ id }) => id === room)?.member).toBe(true), WAIT)
  const head = async () => (await judged(bob, { room, name: '#plans' })).logs
  expect(bob.peer.transcripts.kept(room)).toBe(null)
  await bob.peer.politics.leave(room)
  await bob.comeBack()
  const kept = bob.peer.transcripts.kept(room) ?? new Uint8Array()
  const report = await examine(kept, world.network.root)
  expect(report).toMatchObject({ ok: true, transcript: { what: 'receipt', name: '#plans' }, exporter: { user: 'bob' } })
  const receipt = piecesOf(kept).at(-1)?.item
  const said = receiptStatementCodec.decode(receipt?.kind === 'receipt' ? receipt.statement : new Uint8Array())
  const held = isRefusal(said) ? [] : said.heads.map(({ device, seq }) => [device, seq])
  expect(held).toEqual((await head()).map(({ device, last }) => [device, last]))
  expect(held).toHaveLength(2) // alice's, and his own, which ends with the leave
})

test('as commands: verify reads a file with the root alone, in words and for scripts', async () => {
  const [alice] = await people('alice')
  const { general } = alice.peer
  await alice.peer.say(general, 'hello\u001b[31m')
  const at = (name: string) => join(world.folder, name)
  const bytes = await exported(alice, { room: general, name: '#general', withKeys: true })
  await writeFile(at('root.pem'), toPem('CERTIFICATE', world.network.root))
  await writeFile(at('good'), bytes)
  await writeFile(at('short'), bytes.slice(0, -1))
  await writeFile(at('noise'), 'not a transcript')
  const lanyard = peerCommand(at('no-home'))
  const good = await lanyard.run(['verify', at('good'), '--root', at('root.pem')])
  expect(good).toMatchObject({ code: 0, err: '' })
  expect(good.out).toContain('alice: hello\ufffd[31m')
  expect(good.out).toMatch(/VERIFIED: each record was signed/)
  for (const name of ['short', 'noise']) {
    const bad = await lanyard.run(['transcript', 'verify', at(name), '--root', at('root.pem'), '--json'])
    expect({ name, code: bad.code, err: bad.err }).toEqual({ name, code: 1, err: '' })
    expect(reportShape.parse(JSON.parse(bad.out)).ok).toBe(false)
  }
  const words = await lanyard.run(['verify', at('short'), '--root', at('root.pem')])
  expect(words.out).toMatch(/breaks off.*\n(.*\n)*NOT VERIFIED: 2 problems/)
  for (const args of [
    ['verify', at('nothing'), '--root', at('root.pem')],
    ['verify', at('good'), '--root', at('noise')],
    ['verify', at('good'), '--root', at('nothing')],
    ['verify', world.folder, '--root', at('root.pem')],
    ['verify', at('good'), '--root', at('root.pem'), '--crl', at('noise')],
    ['verify', at('good')],
  ]) {
    const { code, out, err } = await lanyard.run(args)
    expect({ args, code, out }).toEqual({ args, code: 1, out: '' })
    expect(err).not.toMatch(/\n\s+at /)
  }
})
