import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isRefusal } from '../../shared/errors.ts'
import type { PeerId } from '../../shared/ids.ts'
import { formatInvite, type Invite, isNetworkName, parseInvite } from '../../shared/invite.ts'
import { networkCode, parseNetworkCode } from '../../shared/network-code.ts'

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const PEER = 'QmYuEcgWEZnHymydrHVvpKoWxDb4pSDLzSYSJn4Z2bRCMj' as PeerId
const port = fc.integer({ min: 1, max: 65_535 })
const address = fc.oneof(
  fc.tuple(fc.ipV4(), port).map(([host, number]) => `/ip4/${host}/tcp/${number}`),
  fc.tuple(fc.ipV6(), port).map(([host, number]) => `/ip6/${host}/tcp/${number}`),
  fc.tuple(fc.domain(), port).map(([host, number]) => `/dns4/${host}/tcp/${number}`),
)
const anInvite: fc.Arbitrary<Invite> = fc.record({
  pin: bytes(32),
  caPeerId: fc.constant(PEER),
  addresses: fc.array(address, { minLength: 1, maxLength: 8 }),
  token: bytes(16),
  expires: fc.integer({ min: 1, max: 99_999_999_999 }).map((seconds) => seconds * 1000),
  networkName: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }).filter(isNetworkName),
})

const sample: Invite = {
  pin: new Uint8Array(32).fill(7),
  caPeerId: PEER,
  addresses: ['/ip4/192.0.2.7/tcp/4100', '/ip6/2001:db8::7/tcp/4100'],
  token: new Uint8Array(16).fill(9),
  expires: 1_800_000_000_000,
  networkName: "Büro 7 & Anna's",
}

describe('an invite', () => {
  test('reads back as it was written', () => {
    fc.assert(
      fc.property(anInvite, (invite) => {
        expect(parseInvite(formatInvite(invite))).toEqual(invite)
      }),
    )
  })

  test('has one documented form, safe between single quotes', () => {
    expect(formatInvite(sample)).toBe(
      `lanyard://join/1#r=BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc&c=${PEER}` +
        '&a=/ip4/192.0.2.7/tcp/4100&a=/ip6/2001:db8::7/tcp/4100&t=CQkJCQkJCQkJCQkJCQkJCQ&x=1800000000' +
        '&n=B%C3%BCro%207%20%26%20Anna%27s',
    )
  })

  test('may have blanks around it, as copied text has', () => {
    expect(parseInvite(`  ${formatInvite(sample)}\n`)).toEqual(sample)
  })

  const whole = formatInvite(sample)
  test.each<[string, string]>([
    ['nothing', ''],
    ['another scheme', whole.replace('lanyard:', 'https:')],
    ['another version', whole.replace('join/1', 'join/2')],
    ['half of it', whole.slice(0, 60)],
    ['no name', whole.replace(/&n=.*/, '')],
    ['an empty name', whole.replace(/&n=.*/, '&n=')],
    ['a name with a line break', whole.replace(/&n=.*/, '&n=a%0Ab')],
    ['a name of 65 characters', whole.replace(/&n=.*/, `&n=${'a'.repeat(65)}`)],
    ['a broken percent sign', `${whole}%`],
    ['a repeated token', `${whole}&t=CQkJCQkJCQkJCQkJCQkJCQ`],
    ['an unknown part', `${whole}&z=1`],
    ['a part without a value', `${whole}&`],
    ['a short token', whole.replace('t=CQkJ', 't=')],
    ['bits to spare in the token', whole.replace('CQkJCQ&x', 'CQkJCR&x')],
    ['padding', whole.replace('CQkJCQ&x', 'CQkJCQ==&x')],
    ['a wrong PeerId', whole.replace(PEER, PEER.slice(1))],
    ['no address', whole.replaceAll(/&a=[^&]*/g, '')],
    ['17 addresses', whole.replace('&a=', `${'&a=/ip4/192.0.2.1/tcp/1'.repeat(17)}&a=`)],
    ['a relayed address', whole.replace('/tcp/4100', `/tcp/4100/p2p/${PEER}/p2p-circuit`)],
    ['an address by UDP', whole.replace('/tcp/4100', '/udp/4100')],
    ['an impossible port', whole.replace('/tcp/4100', '/tcp/65536')],
    ['an impossible host', whole.replace('192.0.2.7', '192.0.2.777')],
    ['a time in words', whole.replace('x=1800000000', 'x=tomorrow')],
    ['a negative time', whole.replace('x=', 'x=-')],
    ['too long', whole + 'a'.repeat(5_000)],
  ])('with %s is refused', (_what, text) => {
    expect(parseInvite(text)).toMatchObject({ kind: 'refusal', code: 'invite-malformed' })
  })

  test('never makes the parser throw, whatever is pasted', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(whole.length), (noise, at) => {
        for (const text of [noise, whole.slice(0, at) + noise + whole.slice(at)]) parseInvite(text)
      }),
    )
  })
})

describe('a network code', () => {
  test('reads back in any case, with or without hyphens and blanks', () => {
    fc.assert(
      fc.property(bytes(32), (pin) => {
        const code = networkCode(pin)
        expect(code).toMatch(/^([a-z2-7]{4}-){13}[a-z2-7]{4}$/)
        for (const typed of [code, code.toUpperCase(), code.replaceAll('-', ''), ` ${code.replaceAll('-', ' ')} `]) {
          expect(parseNetworkCode(typed)).toEqual(pin)
        }
      }),
    )
  })

  test('forgives 0 for o, 1 for l and 8 for b', () => {
    fc.assert(
      fc.property(bytes(32), (pin) => {
        const typed = networkCode(pin).replaceAll('o', '0').replaceAll('l', '1').replaceAll('b', '8')
        expect(parseNetworkCode(typed)).toEqual(pin)
      }),
    )
  })

  test('with one wrong character, or two that changed places, is refused', () => {
    // Over all 56 places, for one pin: 20 check bits leave one slip in a million unseen, so the pin is a fixed one.
    const code = networkCode(new Uint8Array(32).map((_, index) => index)).replaceAll('-', '')
    for (let at = 0; at < code.length; at += 1) {
      const other = code[at] === 'a' ? 'q' : 'a'
      expect(parseNetworkCode(code.slice(0, at) + other + code.slice(at + 1))).toMatchObject({ code: 'code-malformed' })
      const [one, two] = [code[at], code[at + 1]]
      if (two === undefined || one === two) continue
      const swapped = code.slice(0, at) + two + one + code.slice(at + 2)
      expect(parseNetworkCode(swapped)).toMatchObject({ code: 'code-malformed' })
    }
  })

  test.each(['', 'abc', '9'.repeat(56), 'é'.repeat(56), 'a'.repeat(57), 'a'.repeat(56)])('%j is refused', (text) => {
    expect(isRefusal(parseNetworkCode(text))).toBe(true)
  })
})
