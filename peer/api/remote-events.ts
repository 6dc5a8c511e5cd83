import { createConnection } from 'node:net'
import { WebSocket } from 'ws'
import { z } from 'zod'
import { type ApiEvent, eventShape } from './event-json.ts'
import { API_PREFIX } from './openapi.ts'
import type { Door } from './running.ts'

/** Hears what happens at a device; a connection that is lost is made anew once, from the event that came last. */
export const listenToEvents = (door: Door, onEvent: (event: ApiEvent) => void) => {
  let cursor: string | null = null
  let stopped = false
  const first = Promise.withResolvers<void>()
  let socket: WebSocket | null = null

  const open = (): void => {
    let heard = false
    const query = cursor === null ? '' : `?cursor=${encodeURIComponent(cursor)}`
    const { port, socket: path } = door
    const opening = new WebSocket(`ws://127.0.0.1:${port ?? 0}${API_PREFIX}/events${query}`, {
      headers: { authorization: `Bearer ${door.token}` },
      ...(path === null ? {} : { createConnection: () => createConnection(path) }),
    })
    socket = opening
    opening.on('message', (bytes) => {
      const told = toldShape.safeParse(JSON.parse(String(bytes)))
      if (told.success) cursor = told.data.cursor
      const event = eventShape.safeParse(told.success ? told.data : null)
      if (!event.success) return // of a newer lanyard
      heard = true
      first.resolve()
      if (event.data.event !== 'ready' && !stopped) onEvent(event.data)
    })
    opening.on('error', () => undefined) // told by `close`
    opening.on('close', (code) => {
      first.resolve() // a call says why
      if (stopped) return
      // Dropped because we were busy for long; a device that stops says goodbye.
      if (heard && code !== GOING_AWAY) open()
      else onEvent({ event: 'ended' })
    })
  }
  open()
  return {
    /** Once what happens is heard, or nothing can be. */
    opened: first.promise,
    stop: (): void => {
      stopped = true
      first.resolve()
      socket?.terminate()
    },
  }
}

const GOING_AWAY = 1001 // RFC 6455 §7.4.1
const toldShape = z.looseObject({ cursor: z.string() })
