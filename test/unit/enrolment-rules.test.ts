import { describe, expect, test } from 'vitest'
import { count, type Tally } from '../../ca-node/attempts.ts'
import { createChallenges } from '../../ca-node/challenge.ts'
import { type Candidate, decide, GREETING, type Stage } from '../../ca-node/enrolment.ts'
import { skeletonOf } from '../../ca-node/names.ts'
import { assess } from '../../ca-node/policy.ts'
import { createRequest } from '../../shared/certificate/request.ts'
import { spkiOf } from '../../shared/certificate/rsa-key.ts'
import { signSuccession } from '../../shared/certificate/succession.ts'
import { orThrow, refuse } from '../../shared/errors.ts'
import type { PeerId } from '../../shared/ids.ts'
import {
  CERTIFICATE_LIFETIME_MS,
  CHALLENGE_LIFETIME_MS,
  CHALLENGES_OPEN_MAX,
  ENROLMENT_BAR_MAX_MS,
  ENROLMENT_WINDOW_MS,
  RENEWAL_GRACE_MS,
} from '../../shared/limits.ts'
import { peerIdOfSpki } from '../../shared/network/peer-id.ts'
import type { EnrolmentRequest, NewcomerMessage } from '../../shared/wire/enrolment.ts'
import { newKey, testNetwork, user } from '../support/certificates.ts'

const NOW = 1_800_000_000_000
const peer = (name: string): PeerId => name as PeerId
const fill = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)

describe('the order of enrolment', () => {
  const identified: Stage = { kind: 'identified' }
  const challenged: Stage = { kind: 'challenged', candidate: { user: user('alice') } as Candidate }
  const begin: NewcomerMessage = { kind: 'begin' }
  const request: NewcomerMessage = {
    kind: 'request',
    csr: fill(1, 0),
    user: 'alice',
    password: 'correct horse',
    door: { kind: 'token', token: fill(16, 0) },
    addresses: [],
  }
  const answer: NewcomerMessage = { kind: 'answer', id: fill(16, 0), nonce: fill(32, 0) }

  test('goes begin, request, answer', () => {
    expect(decide(GREETING, begin)).toEqual({ kind: 'identify' })
    expect(decide(identified, request)).toEqual({ kind: 'consider', request })
    expect(decide(challenged, answer)).toMatchObject({ kind: 'redeem', candidate: { user: 'alice' } })
  })

  test.each<[Stage, NewcomerMessage]>([
    [GREETING, request],
    [identified, begin],
    [challenged, begin],
    [challenged, request],
    [{ kind: 'issued' }, request],
  ])('takes nothing out of turn: in %o', (stage, message) => {
    expect(decide(stage, message)).toMatchObject({ kind: 'refuse', refusal: { code: 'wrong-order' } })
  })

  test.each<Stage>([GREETING, identified, { kind: 'issued' }])(
    'has nobody to issue to for an answer in %o',
    (stage) => {
      expect(decide(stage, answer)).toMatchObject({ kind: 'redeem', candidate: null })
    },
  )

  test('tells silence from a late answer, and says nothing to who has left', () => {
    const late = refuse('too-late')
    expect(decide(GREETING, late)).toMatchObject({ kind: 'refuse', refusal: { code: 'silent' } })
    expect(decide(identified, late)).toMatchObject({ kind: 'refuse', refusal: { code: 'too-late' } })
    expect(decide(challenged, late)).toMatchObject({ kind: 'refuse', refusal: { code: 'challenge-late' } })
    expect(decide({ kind: 'issued' }, late)).toEqual({ kind: 'leave', refusal: null })
    expect(decide(identified, refuse('stream-closed'))).toMatchObject({ kind: 'leave' })
  })
})

describe('a challenge', () => {
  const book = () => {
    const challenges = createChallenges()
    const opened = orThrow(challenges.open({ id: fill(16, 1), nonce: fill(32, 2), peer: peer('alice'), now: NOW }))
    const right = { id: opened.id, nonce: opened.nonce, peer: peer('alice'), now: NOW + 10 }
    return { challenges, right }
  }

  test('is answered once', () => {
    const { challenges, right } = book()
    expect(challenges.redeem(right)).toBeNull()
    expect(challenges.redeem(right)).toMatchObject({ code: 'challenge-used' })
  })

  test('answered wrongly is spent', () => {
    const { challenges, right } = book()
    expect(challenges.redeem({ ...right, nonce: fill(32, 3) })).toMatchObject({ code: 'challenge-wrong' })
    expect(challenges.redeem(right)).toMatchObject({ code: 'challenge-used' })
  })

  test('is late at 60 s, and not a millisecond before', () => {
    const early = book()
    expect(early.challenges.redeem({ ...early.right, now: NOW + CHALLENGE_LIFETIME_MS - 1 })).toBeNull()
    const late = book()
    expect(late.challenges.redeem({ ...late.right, now: NOW + CHALLENGE_LIFETIME_MS })).toMatchObject({
      code: 'challenge-late',
    })
  })

  test("is nobody else's to answer, nor to spend", () => {
    const { challenges, right } = book()
    expect(challenges.redeem({ ...right, peer: peer('mallory') })).toMatchObject({ code: 'challenge-unknown' })
    expect(challenges.redeem({ ...right, id: fill(16, 9) })).toMatchObject({ code: 'challenge-unknown' })
    expect(challenges.redeem(right)).toBeNull()
  })

  test('is one of a bounded number, and old ones make room', () => {
    const challenges = createChallenges()
    const open = (number: number, now: number) =>
      challenges.open({ id: Buffer.from(`${number}`.padEnd(16)), nonce: fill(32, 0), peer: peer('alice'), now })
    for (let number = 0; number < CHALLENGES_OPEN_MAX; number += 1) orThrow(open(number, NOW))
    expect(open(-1, NOW)).toMatchObject({ code: 'busy' })
    expect(open(-1, NOW + 2 * CHALLENGE_LIFETIME_MS)).toMatchObject({ peer: 'alice' })
  })
})

describe('tries to enrol', () => {
  const run = (times: readonly number[], max = 5): { allowed: boolean[]; last: Tally | null } => {
    let last: Tally | null = null
    const allowed = times.map((now) => {
      const verdict = count(last, max, now)
      last = verdict.tally
      return verdict.allowed
    })
    return { allowed, last }
  }
  const W = ENROLMENT_WINDOW_MS
  const burst = (at: number, tries = 6): number[] => Array.from({ length: tries }, () => at)
  const FIVE = [true, true, true, true, true]

  test('are 5 in 15 minutes', () => {
    expect(run([...burst(NOW), NOW + W - 1, NOW + W]).allowed).toEqual([...FIVE, false, false, true])
  })

  test('that go on past the limit are kept out twice as long each time', () => {
    const second = NOW + W
    expect(run([...burst(NOW), ...burst(second), second + 2 * W - 1, second + 2 * W]).allowed.slice(6)).toEqual([
      ...FIVE,
      false,
      false,
      true,
    ])
    const third = second + 2 * W
    expect(run([...burst(NOW), ...burst(second), ...burst(third), third + 4 * W - 1, third + 4 * W]).allowed).toEqual([
      ...FIVE,
      false,
      ...FIVE,
      false,
      ...FIVE,
      false,
      false,
      true,
    ])
  })

  test('are never barred for more than a day, and a day without a strike forgives all', () => {
    let at = NOW
    let tally: Tally | null = null
    for (let strike = 0; strike < 20; strike += 1) {
      for (const now of burst(at)) tally = count(tally, 5, now).tally
      expect(tally?.until).toBeLessThanOrEqual(at + ENROLMENT_BAR_MAX_MS)
      at = tally?.until ?? 0
    }
    expect(count(tally, 5, at + ENROLMENT_BAR_MAX_MS)).toMatchObject({ allowed: true, tally: { strikes: 0 } })
  })

  test('are counted anew when the clock was set back', () => {
    const { last } = run(burst(NOW))
    expect(count(last, 5, NOW - 1).allowed).toBe(true)
    expect(count({ tries: 5, since: 0, until: NOW * 2, strikes: 9 }, 5, NOW).allowed).toBe(true)
  })
})

describe('the policy', () => {
  const key = newKey()
  const network = testNetwork({ clock: { now: () => NOW }, name: 'policy' })
  const ground = { anchor: network.anchor, now: NOW, keyBits: 2048 }
  const caller = { peerId: peerIdOfSpki(spkiOf(key)), spki: spkiOf(key) }
  const request = (changes: Partial<EnrolmentRequest> = {}): EnrolmentRequest => ({
    kind: 'request',
    csr: createRequest({ key, user: user('alice') }),
    user: 'alice',
    password: 'correct horse',
    door: { kind: 'token', token: fill(16, 0) },
    addresses: [],
    ...changes,
  })

  test('takes a good application', () => {
    expect(assess(request(), caller, ground)).toMatchObject({ user: 'alice', peerId: caller.peerId, spki: caller.spki })
  })

  const named = (name: string) => ({ user: name, csr: createRequest({ key, user: user(name) }) })
  const altered = request().csr.map((byte, at, all) => (at === all.length - 1 ? byte ^ 1 : byte))
  test.each<[string, string, Partial<EnrolmentRequest>]>([
    ['no request', 'request-malformed', { csr: fill(10, 0) }],
    ['an altered signature', 'request-bad-signature', { csr: altered }],
    ['the key of another device', 'request-wrong-key', { csr: createRequest({ key: newKey(), user: user('alice') }) }],
    ['an RSA-1024 key', 'key-too-weak', { csr: createRequest({ key: newKey(1024), user: user('alice') }) }],
    ['two different names', 'request-malformed', { user: 'bob' }],
    ['a capital letter', 'name-invalid', { user: 'Alice' }],
    ['a name of 33 characters', 'name-invalid', { user: 'a'.repeat(33) }],
    ['a hidden name', 'name-invalid', { user: '.alice' }],
    ['a reserved name', 'name-reserved', named('admin')],
    ['a name that looks like a reserved one', 'name-reserved', named('adm1n')],
    ["the CA's name", 'name-invalid', { user: '~ca' }],
    ['a password of 7 characters', 'password-too-short', { password: '1234567' }],
    ['a password of 4 characters in 8 code units', 'password-too-short', { password: '😀😀😀😀' }],
    ['a password over 1 KiB', 'input-invalid', { password: 'a'.repeat(1025) }],
  ])('refuses %s: %s', (_what, code, changes) => {
    expect(assess(request(changes), caller, ground)).toMatchObject({ kind: 'refusal', code })
  })

  describe('at the doors of those who are known', () => {
    const held = network.issue({ user: 'alice', key })
    const end = NOW + CERTIFICATE_LIFETIME_MS
    const at = (now: number, changes: Partial<EnrolmentRequest>) => assess(request(changes), caller, { ...ground, now })
    const renew = { door: { kind: 'renew', certificate: held }, password: '' } as const

    test('has a password compared at the login, of whatever length', () => {
      const login = { door: { kind: 'login' }, password: 'x' } as const
      expect(assess(request(login), caller, ground)).toMatchObject({
        passwordUse: 'check',
        admission: { kind: 'login' },
      })
    })

    test('asks for no password to renew, until 30 days after the end; then for one', () => {
      expect(at(NOW, renew)).toMatchObject({ passwordUse: 'none', admission: { kind: 'renew' } })
      const limit = end + RENEWAL_GRACE_MS
      expect(at(limit - 1_000, renew)).toMatchObject({ passwordUse: 'none' })
      expect(at(limit + 1_000, renew)).toMatchObject({ code: 'password-needed' })
      expect(at(limit + 1_000, { ...renew, password: 'correct horse' })).toMatchObject({ passwordUse: 'check' })
    })

    test.each<[string, string, () => Uint8Array]>([
      ["another key's", 'certificate-wrong-key', () => network.issue({ user: 'alice' })],
      ["another user's", 'request-malformed', () => network.issue({ user: 'bob', key })],
      [
        "another network's",
        'certificate-wrong-root',
        () => testNetwork({ clock: { now: () => NOW }, name: 'other' }).issue({ user: 'alice', key }),
      ],
      ['no', 'certificate-malformed', () => fill(9, 0)],
    ])('renews for the holder of %s certificate: %s', (_what, code, certificate) => {
      expect(at(NOW, { door: { kind: 'renew', certificate: certificate() } })).toMatchObject({ code })
    })

    test('takes a new key that the old one has signed for, and no other', () => {
      const oldKey = newKey()
      const certificate = network.issue({ user: 'alice', key: oldKey })
      const { csr } = request()
      const rekey = (proof: Uint8Array) => at(NOW, { csr, password: '', door: { kind: 'rekey', certificate, proof } })
      const { network: id } = network
      expect(rekey(signSuccession(oldKey, csr, id))).toMatchObject({
        passwordUse: 'none',
        admission: { kind: 'rekey', peerId: peerIdOfSpki(spkiOf(oldKey)) },
      })
      for (const proof of [signSuccession(key, csr, id), signSuccession(oldKey, fill(9, 9), id), fill(256, 7)]) {
        expect(rekey(proof)).toMatchObject({ code: 'request-bad-signature' })
      }
    })
  })
})

test.each([
  ['alice', 'a1ice'],
  ['bob', 'b0b'],
  ['ann-lee', 'ann.lee'],
  ['ann_lee', 'ann-lee'],
  ['modern', 'modem'],
  ['vvendy', 'wendy'],
])('the names %s and %s look alike', (one, other) => {
  expect(skeletonOf(one)).toBe(skeletonOf(other))
  expect(skeletonOf(one)).not.toBe(skeletonOf(`${one}x`))
})
