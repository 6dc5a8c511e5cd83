import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { createSessions, type SessionChange } from '../../peer/network/sessions.ts'
import { type VerifiedDevice, verifyDevice } from '../../shared/certificate/verify.ts'
import { orThrow } from '../../shared/errors.ts'
import { HELLO_TIMEOUT_MS, SESSION_GRACE_MS } from '../../shared/limits.ts'
import type { Connection } from '../../shared/network/node.ts'
import { newKey, testNetwork } from '../support/certificates.ts'

let lower: VerifiedDevice
let higher: VerifiedDevice
beforeAll(() => {
  const network = testNetwork()
  const devices = ['alice', 'bob'].map((user) =>
    orThrow(verifyDevice(network.issue({ user, key: newKey() }), { anchor: network.anchor, now: Date.now() })),
  )
  const [first, second] = devices.sort((a, b) => (a.peerId < b.peerId ? -1 : 1))
  if (first === undefined || second === undefined) throw new Error('two devices')
  lower = first
  higher = second
})
beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const connection = (id: string, direction: Connection['direction']) => {
  const close = vi.fn(async () => undefined)
  return { id, direction, close } as unknown as Connection & { readonly close: typeof close }
}
const of = (self: VerifiedDevice) => {
  const sessions = createSessions(self.peerId)
  const changes: string[] = []
  sessions.onChange(({ kind, session }: SessionChange) => changes.push(`${kind} ${session.connection.id}`))
  return { sessions, changes }
}

describe('two that dialed each other', () => {
  const orders = [
    ['by-lower', 'by-higher'],
    ['by-higher', 'by-lower'],
  ] as const
  test.for(orders)(
    'keep the connection that the lower PeerId dialed, whichever passed first: %s',
    ([first, second]) => {
      const sides = [
        { self: lower, other: higher, mine: 'by-lower' },
        { self: higher, other: lower, mine: 'by-higher' },
      ] as const
      for (const { self, other, mine } of sides) {
        const { sessions, changes } = of(self)
        const connections = [first, second].map((id) => connection(id, id === mine ? 'outbound' : 'inbound'))
        for (const one of connections) sessions.admit(other, one)
        expect(sessions.of(other.peerId)?.connection.id).toBe('by-lower')
        expect(sessions.list()).toHaveLength(1)
        expect(changes).toEqual([`began ${first}`])
        for (const one of connections) expect(one.close).not.toHaveBeenCalled()
        vi.advanceTimersByTime(SESSION_GRACE_MS)
        for (const one of connections) expect(one.close).toHaveBeenCalledTimes(one.id === 'by-lower' ? 0 : 1)
      }
    },
  )

  test('still have a session when one of the two goes, and none when both have gone', () => {
    const { sessions, changes } = of(lower)
    const [kept, surplus] = [connection('kept', 'outbound'), connection('surplus', 'inbound')]
    sessions.admit(higher, kept)
    sessions.admit(higher, surplus)
    sessions.drop(kept)
    expect(sessions.of(higher.peerId)?.connection).toBe(surplus)
    sessions.drop(surplus)
    sessions.drop(surplus)
    expect(sessions.of(higher.peerId)).toBeUndefined()
    expect(changes).toEqual(['began kept', 'moved surplus', 'ended surplus'])
  })
})

describe('who waits for a connection to be admitted', () => {
  test('gets its session when the hello passes', async () => {
    const { sessions } = of(lower)
    const one = connection('one', 'inbound')
    const waiting = [sessions.awaited(one), sessions.awaited(one)]
    sessions.admit(higher, one)
    expect(await Promise.all(waiting)).toEqual([
      { device: higher, connection: one },
      { device: higher, connection: one },
    ])
    expect(await sessions.awaited(one)).toMatchObject({ connection: one })
  })

  test('gets nothing when it is dropped, when another is admitted, or when the time is over', async () => {
    const { sessions } = of(lower)
    const [one, two] = [connection('one', 'inbound'), connection('two', 'inbound')]
    const dropped = sessions.awaited(one)
    sessions.drop(one)
    expect(await dropped).toBeNull()
    const late = sessions.awaited(two)
    sessions.admit(higher, one)
    vi.advanceTimersByTime(HELLO_TIMEOUT_MS)
    expect(await late).toBeNull()
  })
})
