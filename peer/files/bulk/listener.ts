import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type SecureContext, type TLSSocket } from 'node:tls'
import { isRefusal, type Refusal, refuse } from '../../../shared/errors.ts'
import { BULK_HANDSHAKES_MAX, BULK_TICKET_MS } from '../../../shared/limits.ts'
import type { Door, Doors } from './doors.ts'
import { TLS } from './tls.ts'

/** The port that roads come in at: one an address, open while a ticket is out. */
export type Listener = {
  /** Opens the address if need be, and keeps it open for one more ticket. @returns its port */
  open(address: string): Promise<number | Refusal>
  stop(): Promise<void>
}

export type ListenerParts = {
  readonly doors: Doors
  /** Milliseconds from a TCP connection to its ticket. */
  readonly handshakeMs: number
  readonly contextFor: (door: Door) => SecureContext
  /** A handshake is done for a door; what it proves is still to be looked at. Resolves when the ticket is in, or is not. */
  readonly onSecure: (socket: TLSSocket, door: Door) => Promise<void>
  /** Somebody came who may not. */
  readonly onTurnedAway: (refusal: Refusal) => void
}

type Place = { readonly server: Server; readonly port: number; timer: NodeJS.Timeout }

export const createListener = (parts: ListenerParts): Listener => {
  const places = new Map<string, Promise<Place | Refusal>>()
  /** TCP connections whose ticket is not in yet, by address and port, the oldest first, each with the timer that ends it. */
  const strangers = new Map<string, { readonly raw: Socket; readonly timer: NodeJS.Timeout }>()

  // It has no certificate of its own: who names no door in the first message, or one that is not there, gets none to see.
  const tls = createTlsServer({
    ...TLS,
    ALPNProtocols: [...TLS.ALPNProtocols],
    requestCert: true,
    SNICallback: (name, answer) => {
      const door = parts.doors.knock(name)
      if (isRefusal(door)) {
        parts.onTurnedAway(door)
        answer(new Error(door.code))
        return
      }
      answer(null, parts.contextFor(door))
    },
  })
  tls.on('tlsClientError', (_error, socket) => socket.destroy())
  tls.on('secureConnection', (socket) => {
    const door = parts.doors.behind(String(socket.servername))
    if (door === null) socket.destroy()
    else void parts.onSecure(socket, door).finally(() => settle(placeOf(socket)))
  })
  const settle = (at: string): void => {
    clearTimeout(strangers.get(at)?.timer)
    strangers.delete(at)
  }

  const onConnection = (raw: Socket): void => {
    raw.on('error', () => undefined)
    if (!parts.doors.expects(plainAddress(raw.remoteAddress))) {
      raw.destroy()
      return
    }
    const [oldest] = strangers.values()
    if (strangers.size >= BULK_HANDSHAKES_MAX) oldest?.raw.destroy()
    const at = placeOf(raw)
    strangers.set(at, { raw, timer: setTimeout(() => raw.destroy(), parts.handshakeMs) })
    raw.once('close', () => settle(at))
    raw.setNoDelay(true)
    tls.emit('connection', raw)
  }

  const listen = (address: string): Promise<Place | Refusal> => {
    const { promise, resolve } = Promise.withResolvers<Place | Refusal>()
    const server = createServer(onConnection)
    server.once('error', (error) => {
      places.delete(address)
      resolve(refuse('road-not-here', error.message))
    })
    server.listen({ host: address, port: 0, exclusive: true }, () => {
      const at = server.address()
      const port = typeof at === 'object' && at !== null ? at.port : 0
      resolve({ server, port, timer: setTimeout(() => undefined, 0) })
    })
    return promise
  }
  const close = (address: string, { server, timer }: Place): void => {
    clearTimeout(timer)
    places.delete(address)
    server.close()
  }
  return {
    open: async (address) => {
      const opening = places.get(address) ?? listen(address)
      places.set(address, opening)
      const place = await opening
      if (isRefusal(place)) return place
      clearTimeout(place.timer)
      place.timer = setTimeout(() => close(address, place), BULK_TICKET_MS)
      return place.port
    },
    stop: async () => {
      for (const [address, opening] of [...places]) {
        const place = await opening
        if (!isRefusal(place)) close(address, place)
      }
      for (const { raw } of [...strangers.values()]) raw.destroy()
    },
  }
}

const placeOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`

/** IPv4 as such, also where the system shows it inside IPv6. */
const plainAddress = (address: string | undefined): string => (address ?? '').replace(/^::ffff:/, '')
