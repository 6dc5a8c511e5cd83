import { beforeAll, describe, expect, test } from 'vitest'
import { messageCommitmentOf, sealMessage } from '../../peer/group/sender-key.ts'
import { readCertificate } from '../../shared/certificate/certificate.ts'
import { createRevocationList } from '../../shared/certificate/new-revocation-list.ts'
import type { Reason } from '../../shared/certificate/revocation-entry.ts'
import { orThrow } from '../../shared/errors.ts'
import { foundedRoomIdOf, fromHex, type RoomId, roomIdOf } from '../../shared/ids.ts'
import { DAY_MS, MINUTE_MS } from '../../shared/limits.ts'
import { systemRandom } from '../../shared/random.ts'
import { messageContentCodec } from '../../shared/wire/bodies.ts'
import { encodeMembership, type MembershipBody } from '../../shared/wire/membership.ts'
import { receiptBodyCodec } from '../../shared/wire/receipt.ts'
import type { RecordHeader } from '../../shared/wire/record.ts'
import type { TranscriptItem } from '../../shared/wire/transcript.ts'
import { hostile, rollOver, testNetwork } from '../support/certificates.ts'
import { type PennedRecord, withFlippedBit } from '../support/records.ts'
import { codesOf, compose, examine, fileOf, piecesOf, type Scribe, scribe, type Told } from '../support/transcripts.ts'

const network = testNetwork()
const general = roomIdOf(network.network, 'general')
const keys = new Map<string, Uint8Array>()

/** A sealed message, as its author would write it at that time. */
const say = async (
  who: Scribe,
  text: string,
  { room = general, at = Date.now(), changes = {}, aside = false }: Writing = {},
): Promise<PennedRecord> => {
  const messageKey = systemRandom.bytes(32)
  const body = sealMessage(messageKey, messageContentCodec.encode({ kind: 'text', text }), fromHex(room))
  const key = { epoch: 0, index: 0, commitment: messageCommitmentOf(messageKey) }
  const record = await who.pen.write({ room, kind: 'message', body, key }, { time: [at, 0], ...changes }, { aside })
  keys.set(record.hash, messageKey)
  return record
}
type Writing = {
  readonly room?: RoomId
  readonly at?: number
  readonly changes?: Partial<RecordHeader>
  readonly aside?: boolean
}

/** A receipt for records of one log. */
const vouch = (who: Scribe, log: Scribe, seq: number, record: PennedRecord, at = Date.now()): Promise<PennedRecord> => {
  const held = [{ device: log.device, inc: log.pen.inc, seq, hash: fromHex(record.hash) }]
  const body = receiptBodyCodec.encode({ held, read: [] })
  return who.pen.write({ room: general, kind: 'receipt', body }, { time: [at, 0] })
}

const listOf = (entries: readonly (readonly [Scribe, number, Reason?])[], number = 1): Promise<Uint8Array> =>
  createRevocationList({
    issuer: { certificate: network.root, key: network.rootKey },
    number,
    thisUpdate: Date.now() - 1_000,
    entries: entries.map(([who, date, reason = 'keyCompromise']) => ({
      serial: orThrow(readCertificate(who.certificate)).serial,
      date: Math.floor(date / 1_000) * 1_000,
      reason,
    })),
  })

let alice: Scribe
let bob: Scribe
let mallory: Scribe
let hers: readonly PennedRecord[]
let his: readonly PennedRecord[]
beforeAll(async () => {
  alice = scribe(network, 'alice')
  bob = scribe(network, 'bob')
  mallory = scribe(network, 'mallory')
  hers = [await say(alice, 'one'), await say(alice, 'two'), await say(alice, 'three'), await say(alice, 'four')]
  his = [await say(bob, 'I hear')]
})

const told = (changes: Partial<Told> = {}): Told => ({
  network,
  exporter: bob,
  room: general,
  logs: [
    [alice, hers],
    [bob, his],
  ],
  ...changes,
})
const judge = async (changes: Partial<Told> = {}, root = network.root) => examine(await compose(told(changes)), root)
const reasons = ({ problems }: { readonly problems: readonly { readonly reason: string }[] }): string =>
  problems.map(({ reason }) => reason).join('\n')

test('a transcript made by the text alone has no fault', async () => {
  const report = await judge()
  expect(report).toMatchObject({ ok: true, problems: [], records: 5, hidden: 0, membership: 'judged', messages: null })
  expect(report.logs.map(({ user, first, last }) => [user, first, last]).sort()).toEqual([
    ['alice', 0, 3],
    ['bob', 0, 0],
  ])
})

test('with the keys it is read; a wrong key opens nothing, and is told', async () => {
  const open = await judge({ keyOf: ({ hash }) => keys.get(hash) })
  expect(open.messages?.map(({ user, text }) => `${user}: ${text}`).sort()).toEqual([
    'alice: four',
    'alice: one',
    'alice: three',
    'alice: two',
    'bob: I hear',
  ])
  const wrong = await judge({ keyOf: ({ hash }) => keys.get(hash === hers[1]?.hash ? (hers[2]?.hash ?? '') : hash) })
  expect(codesOf(wrong)).toEqual(['key-wrong'])
  expect(wrong.problems).toMatchObject([{ user: 'alice', seq: 1 }])
  expect(wrong.messages?.filter(({ kind }) => kind === 'closed')).toHaveLength(1)
})

describe('what is not as it was is named, even when the exporter signs for it', () => {
  type Case = readonly [name: string, changes: () => Partial<Told>, codes: readonly string[], words: string]
  const rest = (): Told['logs'][number] => [bob, his]
  const cases: readonly Case[] = [
    [
      'a record in the middle is missing',
      () => ({ logs: [[alice, hers.toSpliced(1, 1)], rest()] }),
      ['record-gap'],
      'number 1 is missing',
    ],
    [
      'the first record is missing',
      () => ({ logs: [[alice, hers.slice(1)], rest()] }),
      ['record-gap', 'transcript-wrong-receipt'],
      'number 0 is missing',
    ],
    [
      'two stand the other way round',
      () => ({ logs: [[alice, [0, 2, 1, 3].flatMap((at) => hers[at] ?? [])], rest()] }),
      ['record-gap', 'transcript-order'],
      'number 1 comes after number 2',
    ],
    [
      'one is there twice',
      () => ({ logs: [[alice, [...hers, ...hers.slice(3)]], rest()] }),
      ['record-replayed'],
      'number 3',
    ],
    [
      'a body is another one',
      () => ({ bend: exchange(1, (record) => withFlippedBit(record, 'body')) }),
      ['record-gap', 'record-wrong-body', 'transcript-wrong-receipt'],
      'number 1 is missing',
    ],
    [
      'a signature is another one',
      () => ({ bend: exchange(1, (record) => withFlippedBit(record, 'signature')) }),
      ['record-bad-signature', 'record-gap'],
      'alice, number 1',
    ],
    [
      'a certificate is left out',
      () => ({ bend: (items) => items.filter((item) => !isCertificateOf(item, alice)) }),
      ['certificate-unknown', 'record-gap'],
      'the log from number 0 to 3 is missing',
    ],
    [
      'a certificate is that of another key of the same user',
      () => ({ bend: swapCertificate(alice, network.issue({ user: 'alice' })) }),
      ['certificate-unknown', 'record-gap'],
      '',
    ],
    [
      'a certificate is signed by its own key',
      () => ({ bend: swapCertificate(alice, hostile.selfSigned(network, { user: 'alice', key: alice.key })) }),
      ['certificate-self-signed', 'certificate-unknown', 'record-gap'],
      '',
    ],
    [
      'the receipt is signed by somebody else',
      () => ({ exporter: { ...bob, key: mallory.key } }),
      ['transcript-wrong-receipt'],
      'bob did not sign it',
    ],
    [
      'the receipt is for another file',
      () => ({ statement: { file: new Uint8Array(32) } }),
      ['transcript-altered'],
      '',
    ],
    [
      'the receipt has another Merkle root',
      () => ({ statement: { root: new Uint8Array(32) } }),
      ['transcript-wrong-receipt'],
      'Merkle root',
    ],
    ['the receipt counts others', () => ({ statement: { records: 4 } }), ['transcript-wrong-receipt'], 'counts 4'],
    ['the receipt has another list', () => ({ statement: { crl: 3 } }), ['transcript-wrong-receipt'], 'list 3'],
    [
      'the receipt leaves logs out',
      () => ({ statement: { heads: [] } }),
      ['transcript-wrong-receipt'],
      'does not name',
    ],
    [
      'the receipt tells of records that are not here',
      () => ({ logs: [[alice, hers]], statement: { heads: [{ ...headOf(alice), seq: 9 }] } }),
      ['record-gap'],
      'numbers 4 to 9 are missing',
    ],
    [
      'it says that it was made in the future',
      () => ({ head: { made: Date.now() + 3 * DAY_MS }, statement: { made: Date.now() + 3 * DAY_MS } }),
      ['transcript-wrong-receipt'],
      'in the future',
    ],
    ['it names another network', () => ({ head: { network: 'x'.repeat(52) } }), ['transcript-wrong-root'], ''],
    [
      'the items are in another order',
      () => ({ bend: (items) => [...items.slice(0, 2), ...items.slice(2).toReversed()] }),
      ['certificate-unknown', 'record-gap', 'transcript-order'],
      'certificate behind record',
    ],
  ]
  test.each(cases)('%s', async (_name, changes, codes, words) => {
    const report = await judge(changes())
    expect(report.ok).toBe(false)
    expect(codesOf(report).filter((code) => code !== 'transcript-wrong-receipt' || codes.includes(code))).toEqual(codes)
    expect(reasons(report)).toContain(words)
  })

  const headOf = (who: Scribe) => ({
    ...{ device: who.device, inc: who.pen.inc, first: 0, prev: new Uint8Array(32) },
    ...{ seq: 3, hash: fromHex(hers[3]?.hash ?? '') },
  })
  const exchange =
    (at: number, change: (record: PennedRecord) => Uint8Array): NonNullable<Told['bend']> =>
    (items) =>
      items.map((item) => {
        const record = hers[at]
        const isIt = item.kind === 'record' && record !== undefined && Buffer.compare(item.record, record.bytes) === 0
        return isIt ? { ...item, record: change(record) } : item
      })
  const isCertificateOf = (item: TranscriptItem, { certificate }: Scribe): boolean =>
    item.kind === 'certificate' && Buffer.compare(item.der, certificate) === 0
  const swapCertificate =
    (who: Scribe, der: Uint8Array): NonNullable<Told['bend']> =>
    (items) =>
      items.map((item) => (isCertificateOf(item, who) ? { kind: 'certificate', der } : item))

  test('a file that breaks off anywhere', async () => {
    const whole = await compose(told())
    const ends = piecesOf(whole).flatMap(({ from, to }) => [
      from,
      from + 2,
      from + 4,
      Math.floor((from + to) / 2),
      to - 1,
    ])
    for (const end of ends) {
      const report = await examine(whole.slice(0, end), network.root)
      expect({ end, ok: report.ok, codes: codesOf(report) }).toMatchObject({ end, ok: false })
      expect(codesOf(report)).toContain('transcript-truncated')
    }
  })

  test('bytes behind the end, and a receipt twice', async () => {
    const whole = await compose(told())
    const last = whole.slice(piecesOf(whole).at(-1)?.from)
    for (const more of [Buffer.from([0]), Buffer.from('more'), last]) {
      expect((await examine(new Uint8Array(Buffer.concat([whole, more])), network.root)).ok).toBe(false)
    }
  })

  test('the root is of another network; of one that bears the same name', async () => {
    const report = await judge({}, testNetwork().root)
    expect(codesOf(report)).toEqual(['transcript-wrong-root'])
    expect(report).toMatchObject({ exporter: null, records: 0 })
  })

  test('a key that belongs to no message', async () => {
    const carol = scribe(network, 'carol')
    const receipt = await vouch(carol, alice, 3, hers[3] as PennedRecord)
    const logs: Told['logs'] = [
      [alice, hers],
      [carol, [receipt]],
    ]
    const report = await judge({ logs, keyOf: ({ hash }) => (hash === receipt.hash ? new Uint8Array(32) : undefined) })
    expect(codesOf(report)).toEqual(['transcript-malformed'])
    expect(report.problems).toMatchObject([{ user: 'carol', seq: 0 }])
  })
})

describe('who was revoked', () => {
  const out = Date.now() - 60 * MINUTE_MS
  const before = out - 30 * MINUTE_MS
  /** What mallory's key has signed for the time before the revocation, and what others say to it. */
  const story = async (vouching: (record: PennedRecord, log: Scribe) => Promise<Told['logs']>): Promise<Told> => {
    const thief = scribe(network, 'mallory', { now: before - DAY_MS })
    const first = await say(thief, 'an honest word', { at: before })
    const second = await say(thief, 'I never said so', { at: before + 1_000 })
    const others = await vouching(first, thief)
    const own = others.flatMap(([who, records]) => (who === thief ? records : []))
    const logs = others.filter(([who]) => who !== thief)
    const lists = [await listOf([[thief, out]])]
    return told({
      logs: [[thief, [first, second, ...own]], ...logs],
      lists,
      crl: 1,
      keyOf: ({ hash }) => keys.get(hash),
    })
  }
  const carolVouches =
    (at: number) =>
    async (record: PennedRecord, log: Scribe): Promise<Told['logs']> => {
      const carol = scribe(network, 'carol', { now: before - DAY_MS })
      return [[carol, [await vouch(carol, log, 0, record, at)]]]
    }

  test('counts as far as a receipt of somebody else covers it; what was backdated is named', async () => {
    const report = await examine(await compose(await story(carolVouches(before + 500))), network.root)
    expect(codesOf(report)).toEqual(['record-unvouched'])
    expect(report.problems).toMatchObject([{ user: 'mallory', seq: 1 }])
    expect(report.messages?.map(({ text, counts }) => [text, counts])).toEqual([
      ['an honest word', true],
      ['I never said so', false],
    ])
    expect(report.authors.find(({ user }) => user === 'mallory')?.revoked).not.toBe(null)
  })

  test.each([
    ['comes ten minutes after the revocation', true, async () => carolVouches(out + 9 * MINUTE_MS)],
    ['comes later', false, async () => carolVouches(out + 11 * MINUTE_MS)],
    ['has another hash', false, async () => carolVouchesForAnother],
    ['is its own', false, async () => (record: PennedRecord, log: Scribe) => ownWord(record, log)],
  ] as const)('a receipt that %s: good %s', async (_name, good, vouching) => {
    const report = await examine(await compose(await story(await vouching())), network.root)
    expect(report.messages?.find(({ text }) => text === 'an honest word')?.counts).toBe(good)
    expect(codesOf(report)).toContain('record-unvouched')
  })
  const carolVouchesForAnother = (_record: PennedRecord, log: Scribe): Promise<Told['logs']> =>
    carolVouches(before + 500)(his[0] as PennedRecord, log)
  const ownWord = async (record: PennedRecord, log: Scribe): Promise<Told['logs']> => [
    [log, [await vouch(log, log, 0, record, before + 2_000)]],
  ]

  test('a list that the reader has, and the exporter had not, counts as well', async () => {
    const bytes = await compose(told())
    const crls = [await listOf([[alice, Date.now() - DAY_MS]], 2)]
    expect(codesOf(await examine(bytes, network.root))).toEqual([])
    const report = await examine(bytes, network.root, { crls })
    expect(codesOf(report)).toEqual(['record-unvouched'])
    expect(report.revocationList?.number).toBe(2)
  })

  test('who exports while being revoked, or when the certificate was over, proves nothing', async () => {
    const lists = [await listOf([[bob, Date.now() - MINUTE_MS]])]
    expect(codesOf(await judge({ lists, crl: 1 }))).toContain('certificate-revoked')
    const late = scribe(network, 'dave', { now: Date.now() - 3 * DAY_MS, lifetimeMs: DAY_MS })
    expect(codesOf(await judge({ exporter: late }))).toEqual(['certificate-expired'])
  })

  test('what is later than the certificate of its author could be', async () => {
    const late = scribe(network, 'dave', { now: Date.now() - 5 * DAY_MS, lifetimeMs: DAY_MS })
    expect(codesOf(await judge({ logs: [[late, [await say(late, 'now')]]] }))).toEqual(['certificate-expired'])
  })

  test('a list of nobody we know', async () => {
    const other = testNetwork()
    const issuer = { certificate: other.root, key: other.rootKey }
    const foreign = await createRevocationList({ issuer, number: 4, thisUpdate: Date.now(), entries: [] })
    expect(codesOf(await judge({ lists: [foreign] }))).toEqual([expect.stringMatching(/^crl-/)])
  })
})

describe('an author who signed two records with one number', () => {
  const twice = async () => {
    const liar = scribe(network, 'liar')
    const records = [await say(liar, 'zero'), await say(liar, 'yes'), await say(liar, 'and so on')]
    const other = await say(liar, 'no', { changes: { seq: 1, prev: fromHex(records[0]?.hash ?? '') }, aside: true })
    return { liar, records, other }
  }

  test('is named when both are here, and from there on nothing of the log counts', async () => {
    const { liar, records, other } = await twice()
    const report = await judge({ logs: [[liar, records]], asides: [other], keyOf: ({ hash }) => keys.get(hash) })
    expect(codesOf(report)).toEqual(['record-equivocation'])
    expect(report.problems).toMatchObject([{ user: 'liar', seq: 1 }])
    for (const { hash } of [records[1], other].flatMap((one) => one ?? [])) expect(reasons(report)).toContain(hash)
    expect(report.messages?.map(({ text, counts }) => [text, counts])).toEqual([
      ['zero', true],
      ['yes', false],
      ['and so on', false],
    ])
  })

  test('is named when the second stands in the log', async () => {
    const { liar, records, other } = await twice()
    const report = await judge({ logs: [[liar, [...records, other]]] })
    expect(codesOf(report)).toContain('record-equivocation')
  })

  test("is named when another member's receipt has the other one", async () => {
    const { liar, records, other } = await twice()
    const carol = scribe(network, 'carol')
    const report = await judge({
      logs: [
        [liar, records],
        [carol, [await vouch(carol, liar, 1, other)]],
      ],
    })
    expect(codesOf(report)).toEqual(['record-equivocation'])
    expect(reasons(report)).toContain('a receipt of carol')
  })

  test('a record aside that its author did not sign proves nothing', async () => {
    const { liar, records } = await twice()
    const forged = await say(liar, 'no', { changes: { seq: 1 }, aside: true })
    const asides = [{ ...forged, bytes: withFlippedBit(forged, 'signature') }]
    expect(codesOf(await judge({ logs: [[liar, records]], asides }))).toEqual(['record-bad-signature'])
  })
})

describe('a room that somebody founded', () => {
  const founded = async () => {
    const [owner, guest, stranger] = [scribe(network, 'owner'), scribe(network, 'guest'), scribe(network, 'stranger')]
    const body: MembershipBody = {
      ...{ kind: 'room', nonce: systemRandom.bytes(16), creator: 'owner', name: 'plans' },
      ...{ access: 'invite', history: 'all' },
    }
    const room = foundedRoomIdOf(network.network, encodeMembership(body))
    const write = (who: Scribe, what: MembershipBody, after: readonly PennedRecord[] = []) =>
      who.pen.write(
        { room, kind: what.kind, body: encodeMembership(what) },
        { after: after.map(({ hash }) => fromHex(hash)) },
      )
    const opened = await write(owner, body)
    const invited = await write(owner, { kind: 'invite', user: 'guest' })
    const after = [fromHex(invited.hash)]
    const early = await say(guest, 'thank you', { room, changes: { after } })
    const late = await say(guest, 'you will not read this', { room })
    const heads = [{ device: guest.device, inc: guest.pen.inc, seq: 0 }]
    const removed = await write(owner, { kind: 'remove', user: 'guest', heads }, [])
    const foreign = await say(stranger, 'let me in', { room, changes: { after } })
    const logs: Told['logs'] = [
      [owner, [opened, invited, removed]],
      [guest, [early, late]],
      [stranger, [foreign]],
    ]
    return { room, logs, owner, guest, exporter: owner, keyOf: ({ hash }: PennedRecord) => keys.get(hash) }
  }

  test('has its name from its own records; what a stranger or a removed member says counts for nobody', async () => {
    const report = await judge(await founded())
    expect(report).toMatchObject({ ok: true, membership: 'judged', hidden: 2, transcript: { name: 'plans' } })
    expect(report.messages?.filter(({ counts }) => counts).map(({ text }) => text)).toEqual(['thank you'])
  })

  test('without the record that founds it, or one that others cite, it is not whole', async () => {
    const story = await founded()
    const { logs } = story
    expect(reasons(await judge({ ...story, logs: logs.slice(1) }))).toContain('founds the room is missing')
    const [[owner, records]] = logs as [Told['logs'][number]]
    const report = await judge({ ...story, logs: [[owner, records.slice(0, 1)], ...logs.slice(1)] })
    expect(reasons(report)).toContain(`cites ${records[1]?.hash}, which is missing`)
  })

  test('of a part of it the cut is stated, and nobody is judged', async () => {
    const story = await founded()
    const part: Told['logs'] = story.logs.map(([who, records]) => [who, records.slice(-1)])
    const report = await judge({ ...story, logs: part, head: { from: 1 } })
    expect(report).toMatchObject({ ok: true, membership: 'not-judged', hidden: 0, transcript: { name: '#test' } })
    const guest = report.logs.find(({ user }) => user === 'guest')
    expect(guest).toMatchObject({ first: 1, last: 1, records: 1, prev: story.logs[1]?.[1][0]?.hash })
  })
})

test('after a roll-over either root proves it, and records under both', async () => {
  const next = rollOver(network)
  const carol = scribe(next, 'carol')
  const bend: NonNullable<Told['bend']> = (items) =>
    items.map((item) =>
      item.kind === 'roots' ? { ...item, first: network.root, successions: [next.succession] } : item,
    )
  const bytes = await compose(
    told({
      exporter: carol,
      logs: [
        [alice, hers],
        [carol, [await say(carol, 'me too')]],
      ],
      bend,
    }),
  )
  for (const root of [network.root, next.root]) expect(codesOf(await examine(bytes, root))).toEqual([])
  expect(codesOf(await examine(bytes, testNetwork().root))).toEqual(['transcript-wrong-root'])
})

test('whatever the bytes are, there is a report', async () => {
  const seed = Number(process.env.LANYARD_SEED ?? Date.now() % 1_000_000_007)
  console.log(`noise for the verifier: LANYARD_SEED=${seed}`)
  let state = seed >>> 0
  const next = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const noise = (length: number) => Uint8Array.from({ length }, () => next(256))
  const good = await compose(told({ keyOf: ({ hash }) => keys.get(hash) }))
  const items = piecesOf(good).map(({ item }) => item)
  for (let round = 0; round < 300; round++) {
    const kinds = [
      () => noise(next(400)),
      () => new Uint8Array(Buffer.concat([good.subarray(0, next(good.byteLength)), noise(next(200))])),
      () => fileOf(Array.from({ length: next(12) }, () => items[next(items.length)] as TranscriptItem)),
      () => Uint8Array.from(good, (byte) => (next(400) === 0 ? next(256) : byte)),
    ]
    const bytes = kinds[next(kinds.length)]?.() ?? noise(1)
    const report = await examine(bytes, network.root)
    if (Buffer.compare(bytes, good) !== 0) expect({ round, ok: report.ok }).toEqual({ round, ok: false })
  }
})
