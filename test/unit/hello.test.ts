import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  type HelloContext,
  type HelloEffect,
  type HelloEvent,
  type HelloState,
  hello,
  startHello,
} from '../../peer/network/hello.ts'
import { type VerifiedDevice, verifyDevice } from '../../shared/certificate/verify.ts'
import { orThrow, refuse } from '../../shared/errors.ts'
import type { Hello, HelloMessage } from '../../shared/wire/hello.ts'
import { PROTOCOL_VERSION } from '../../shared/wire/protocol.ts'
import { newKey, testNetwork } from '../support/certificates.ts'

const GOOD = Uint8Array.of(1)
const BAD = Uint8Array.of(2)

let device: VerifiedDevice
let mine: Hello
beforeAll(() => {
  const network = testNetwork()
  const certificate = network.issue({ user: 'bob', key: newKey() })
  device = orThrow(verifyDevice(certificate, { anchor: network.anchor, now: Date.now() }))
  mine = {
    kind: 'hello',
    version: PROTOCOL_VERSION,
    network: network.network,
    certificate: GOOD,
    crl: 0,
    device: new Uint8Array(),
    addresses: [],
  }
})

const context = (): HelloContext => ({
  mine,
  verify: ({ certificate }) => (certificate === GOOD ? device : refuse('certificate-expired', '3 May')),
})

/** All that happens when these events come one after the other. */
const play = (role: HelloState['role'], events: readonly HelloEvent[]): HelloEffect[] => {
  let state = startHello(role)
  return events.flatMap((event) => {
    const [next, effects] = hello(state, event, context())
    state = next
    return effects
  })
}
const opened: HelloEvent = { kind: 'opened' }
const message = (message: HelloMessage): HelloEvent => ({ kind: 'message', message })
const theirs = (changes: Partial<Hello> = {}): HelloEvent => message({ ...mine, ...changes })
const admitted = message({ kind: 'admitted' })
const told = (code: Parameters<typeof refuse>[0]) => [
  { kind: 'send', message: { kind: 'refused', code } },
  { kind: 'refuse', refusal: expect.objectContaining({ code, by: 'here' }) },
]

describe('a dialer', () => {
  test('says hello first, and admits the answer', () => {
    expect(play('dialer', [opened, theirs()])).toEqual([
      { kind: 'send', message: mine },
      { kind: 'send', message: { kind: 'admitted' } },
      { kind: 'admit', device, theirs: mine },
    ])
  })

  test('does not take an admission for a hello', () => {
    expect(play('dialer', [opened, admitted]).slice(1)).toEqual(told('wrong-order'))
  })
})

describe('a listener', () => {
  test('says nothing first, and admits only when it is admitted', () => {
    expect(play('listener', [opened])).toEqual([])
    expect(play('listener', [opened, theirs()])).toEqual([{ kind: 'send', message: mine }])
    expect(play('listener', [opened, theirs(), admitted]).at(-1)).toEqual({ kind: 'admit', device, theirs: mine })
  })

  test('does not take a second hello', () => {
    expect(play('listener', [opened, theirs(), theirs()]).slice(1)).toEqual(told('wrong-order'))
  })

  test('does not send its own hello, with the address book in it, to who was refused', () => {
    expect(play('listener', [opened, theirs({ certificate: BAD })])).toEqual(told('certificate-expired'))
  })
})

describe.for(['dialer', 'listener'] as const)('a %s', (role) => {
  const hearing = (event: HelloEvent) => play(role, [opened, event]).slice(role === 'dialer' ? 1 : 0)

  test('refuses another version before it looks at the network, and that before the certificate', () => {
    expect(hearing(theirs({ version: 2, network: 'x', certificate: BAD }))).toEqual(told('version-unsupported'))
    expect(hearing(theirs({ network: 'x', certificate: BAD }))).toEqual(told('wrong-network'))
  })

  test('keeps the facts of a refusal to itself', () => {
    const [send, refuse] = hearing(theirs({ certificate: BAD }))
    expect(JSON.stringify(send)).not.toContain('3 May')
    expect(refuse).toMatchObject({ refusal: { detail: '3 May' } })
  })

  test('answers a refusal with silence', () => {
    expect(hearing(message({ kind: 'refused', code: 'certificate-expired' }))).toEqual([
      { kind: 'refuse', refusal: { kind: 'refusal', code: 'certificate-expired', by: 'there' } },
    ])
  })

  test('ends when the stream fails, and tells why if it still can', () => {
    expect(hearing({ kind: 'failed', refusal: refuse('silent') })).toEqual(told('silent'))
  })

  test('whatever comes, admits nobody but a verified device, once, after that hello, and does nothing after its end', () => {
    const event: fc.Arbitrary<HelloEvent> = fc.oneof(
      fc.constant(opened),
      fc.constant(admitted),
      fc.record({ certificate: fc.constantFrom(GOOD, BAD), version: fc.constantFrom(1, 2) }).map(theirs),
      fc.constant(theirs({ network: 'another' })),
      fc.constant(message({ kind: 'refused', code: 'silent' })),
      fc.constant<HelloEvent>({ kind: 'failed', refusal: refuse('stream-closed') }),
    )
    fc.assert(
      fc.property(fc.array(event, { maxLength: 12 }), (events) => {
        let state = startHello(role)
        const verified: Uint8Array[] = []
        const watching: HelloContext = {
          ...context(),
          verify: (theirs) => {
            verified.push(theirs.certificate)
            return context().verify(theirs)
          },
        }
        let ended = false
        for (const event of events) {
          const [next, effects] = hello(state, event, watching)
          if (ended) expect([next, effects]).toEqual([state, []])
          for (const effect of effects) {
            if (effect.kind !== 'admit') continue
            expect(effect.device).toBe(device)
            expect(effect.theirs.certificate).toBe(GOOD)
            expect(effect.theirs.network).toBe(mine.network)
            expect(verified).toContain(effect.theirs.certificate)
          }
          const ends = effects.filter(({ kind }) => kind === 'admit' || kind === 'refuse')
          expect(ends.length).toBeLessThanOrEqual(1)
          ended ||= ends.length > 0
          state = next
        }
      }),
    )
  })
})
