import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatCompareLink, inOrder, parseCompareLink } from '../../peer/compare/link.ts'
import { fingerprintOf, safetyNumber } from '../../peer/compare/safety-number.ts'
import { FINGERPRINT_BYTES } from '../../shared/limits.ts'
import { user } from '../support/certificates.ts'

describe('a safety number', () => {
  const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'))
  // Of libsignal's own test of its numeric fingerprints, version 1, whose computation is that of version 0.
  const alice = {
    name: '+14152222222',
    keys: [hex('0506863bc66d02b40d27b8d49ca7c09e9239236f9d7d25d6fcca5ce13c7064d868')],
  }
  const bob = {
    name: '+14153333333',
    keys: [hex('05f781b6fb32fed9ba1cf2de978d4d5da28dc34046ae814402b5c0dbd96fda907b')],
  }

  test("is Signal's, by Signal's own example, from both sides", () => {
    const [one, other] = [fingerprintOf(alice), fingerprintOf(bob)]
    expect(safetyNumber(one, other).join('')).toBe('300354477692869396892869876765458257569162576843440918079131')
    expect(safetyNumber(other, one)).toEqual(safetyNumber(one, other))
  })

  test('covers all keys in any order, and is another one with any other key or name', () => {
    const [a, b] = [new Uint8Array(34).fill(1), new Uint8Array(34).fill(2)]
    const same = fingerprintOf({ name: 'x', keys: [a, b] })
    expect(fingerprintOf({ name: 'x', keys: [b, a] })).toEqual(same)
    const others = [
      { name: 'x', keys: [a] },
      { name: 'x', keys: [a, b, b] },
      { name: 'y', keys: [a, b] },
    ]
    for (const other of others) expect(fingerprintOf(other)).not.toEqual(same)
  })
})

describe('the link of a comparison', () => {
  const fingerprint = fc.uint8Array({ minLength: FINGERPRINT_BYTES, maxLength: FINGERPRINT_BYTES })
  const network = 'mfzwi23fnzxxk4ramfzwi23fnzxxk4ramfzwi23fnzxxk4ramfz'

  test('is read as it was written, and in one spelling only', () => {
    fc.assert(
      fc.property(fingerprint, fingerprint, (one, other) => {
        const sides = inOrder({ user: user('bob'), fingerprint: one }, { user: user('alice.b'), fingerprint: other })
        const link = formatCompareLink({ network, sides })
        expect(parseCompareLink(` ${link}\n`)).toEqual({ network, sides })
      }),
    )
  })

  const good = formatCompareLink({
    network,
    sides: inOrder(
      { user: user('alice'), fingerprint: new Uint8Array(32).fill(1) },
      { user: user('bob'), fingerprint: new Uint8Array(32).fill(2) },
    ),
  })
  const broken: readonly (readonly [string, string])[] = [
    ['nothing', ''],
    ['an invite', 'lanyard://join/1#r=x'],
    ['one user', good.replace(/&u=bob.*/, '')],
    ['three users', `${good}&u=carol:${'A'.repeat(43)}`],
    ['the users in the wrong order', good.replace('alice', 'zoe')],
    ['a name in capitals', good.replace('alice', 'Alice')],
    ['a fingerprint that is too short', good.slice(0, -1)],
    ['a bit to spare that is set', `${good.slice(0, -1)}J`],
    ['a part that is unknown', good.replace('n=', 'x=1&n=')],
    ['no network', good.replace(network, '')],
    ['a megabyte', good + 'A'.repeat(1e6)],
  ]
  test.each(broken)('with %s is refused', (_name, text) => {
    expect(parseCompareLink(text)).toMatchObject({ code: 'compare-malformed' })
  })
})
