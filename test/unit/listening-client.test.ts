import { expect, test } from 'vitest'
import { type Client, listeningClient } from '../../peer/api/client.ts'
import type { ApiEvent } from '../../peer/api/event-json.ts'
import { API_EVENTS_KEPT } from '../../shared/limits.ts'

const source = () => {
  const listeners = new Set<(event: ApiEvent) => void>()
  const client = {
    on: (listener: (event: ApiEvent) => void) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  } as unknown as Client
  const tell = (number: number): void => {
    for (const listener of listeners) listener({ event: 'revocations', number, cut: [], self: false })
  }
  return { client: listeningClient(client), tell, listeners }
}
const numbers = (events: readonly ApiEvent[]) =>
  events.map((event) => (event.event === 'revocations' ? event.number : -1))
const turn = () => new Promise((resolve) => setImmediate(resolve))

test('what happens before anybody listens is told to the first who does, in order, and once', async () => {
  const { client, tell } = source()
  for (const number of [1, 2]) tell(number)
  const heard: ApiEvent[] = []
  const later: ApiEvent[] = []
  client.on((event) => heard.push(event))
  await turn()
  client.on((event) => later.push(event))
  tell(3)
  await turn()
  expect([numbers(heard), numbers(later)]).toEqual([[1, 2, 3], [3]])
})

test('who has ended the listening hears nothing of it, and no more is kept than a feed keeps', async () => {
  const { client, tell, listeners } = source()
  for (let number = 0; number < API_EVENTS_KEPT + 10; number++) tell(number)
  const heard: ApiEvent[] = []
  client.on((event) => heard.push(event))()
  await turn()
  expect([heard.length, listeners.size]).toEqual([0, 0])
  const other = source()
  for (let number = 0; number < API_EVENTS_KEPT + 10; number++) other.tell(number)
  other.client.on((event) => heard.push(event))
  await turn()
  expect(heard.length).toBe(API_EVENTS_KEPT)
})
