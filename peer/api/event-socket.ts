import type { WebSocket, WebSocketServer } from 'ws'
import { API_PING_MS, API_UNREAD_MAX_BYTES } from '../../shared/limits.ts'
import type { ApiEvent } from './event-json.ts'
import type { Feed } from './feed.ts'

/** Tells one program what happens, from a cursor on if it gives one. Who does not read is dropped, and may come back. */
export const serveEvents = (
  socket: WebSocket,
  { feed, ready, cursor }: { readonly feed: Feed; readonly ready: ApiEvent; readonly cursor: string | undefined },
): void => {
  const send = (text: string): void => {
    if (socket.readyState !== socket.OPEN) return
    if (socket.bufferedAmount > API_UNREAD_MAX_BYTES) socket.terminate()
    else socket.send(text)
  }
  const missed = cursor === undefined ? [] : feed.since(cursor)
  const from = missed === null || cursor === undefined ? feed.cursor() : cursor
  send(JSON.stringify({ ...ready, cursor: from }))
  if (missed === null) send(JSON.stringify({ event: 'gap', cursor: from } satisfies ApiEvent & { cursor: string }))
  else for (const one of missed) send(one)
  const end = feed.on(send)
  socket.on('close', end)
}

/** Drops whoever does not answer any more. @returns a function that ends it */
export const watchSockets = (sockets: WebSocketServer): (() => void) => {
  const silent = new WeakSet<WebSocket>()
  const timer = setInterval(() => {
    for (const socket of sockets.clients) {
      if (silent.has(socket)) {
        socket.terminate()
        continue
      }
      silent.add(socket)
      socket.once('pong', () => silent.delete(socket))
      socket.ping()
    }
  }, API_PING_MS)
  return () => clearInterval(timer)
}
