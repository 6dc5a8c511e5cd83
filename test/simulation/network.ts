import type { PeerId } from '../../shared/ids.ts'
import type { Chance } from './chance.ts'
import type { Owner, Scheduler } from './scheduler.ts'
import { type Carry, SimulatedStream } from './stream.ts'

/** How the wires are, for a whole run. */
export type Weather = {
  /** Milliseconds from one device to another. */
  readonly latency: readonly [from: number, to: number]
  /** Of a gossip message, on each hop. */
  readonly loss: number
  readonly duplication: number
  /** Bytes on their way on one stream, past which its sender is to wait. */
  readonly window: number
  /** How often a connection breaks, in a second. */
  readonly breaks: number
}

/** One life of a device, as the network sees it. */
export type Host = {
  readonly owner: Owner
  readonly peer: PeerId
  /** Answers a new stream; false: it has no such protocol. */
  answer(stream: SimulatedStream, connection: SimulatedConnection): boolean
  connected(connection: SimulatedConnection): void
  disconnected(connection: SimulatedConnection): void
}

export type Network = {
  join(host: Host): void
  /** The device is gone without a word. */
  leave(host: Host): void
  /** From now on only those in one group reach each other; all do when it is null. */
  partition(groups: readonly (readonly PeerId[])[] | null): void
  /** Connects those that reach each other and are not connected; called again and again. */
  mend(): void
  /** Sends something that no stream carries: it may be lost, doubled and overtaken. */
  fling(connection: SimulatedConnection, what: string, arrive: (at: SimulatedConnection) => void): void
}

/** One end of a connection, as much of libp2p's as the house uses. */
export class SimulatedConnection {
  readonly id: string
  readonly direction: 'outbound' | 'inbound'
  readonly host: Host
  readonly remotePeer: { toString(): string }
  status: 'open' | 'closed' = 'open'
  readonly streams = new Set<SimulatedStream>()
  readonly wire: Wire
  readonly #listeners = new Set<() => void>()

  constructor(id: string, direction: 'outbound' | 'inbound', host: Host, remote: PeerId, wire: Wire) {
    this.id = id
    this.direction = direction
    this.host = host
    this.remotePeer = { toString: () => remote }
    this.wire = wire
  }
  get other(): SimulatedConnection {
    const [a, b] = this.wire.ends
    return a === this ? b : a
  }
  addEventListener(_name: 'close', listener: () => void): void {
    this.#listeners.add(listener)
  }
  async close(): Promise<void> {
    this.wire.cut(this)
  }
  abort(_error: Error): void {
    this.wire.cut(this)
  }
  /** @throws when the connection is gone */
  newStream(protocol: string): SimulatedStream {
    if (this.status === 'closed') throw new Error('the connection is closed')
    const mine = new SimulatedStream(protocol, this.host.owner, this.wire.carryFrom(this), this.wire.window)
    const theirs = new SimulatedStream(
      protocol,
      this.other.host.owner,
      this.wire.carryFrom(this.other),
      this.wire.window,
    )
    mine.peer = theirs
    theirs.peer = mine
    this.streams.add(mine)
    this.wire.carryFrom(this)(0, `open ${protocol}`, () => {
      this.other.streams.add(theirs)
      if (!this.other.host.answer(theirs, this.other)) theirs.abort(new Error('no such protocol'))
    })
    return mine
  }
  lost(): void {
    if (this.status === 'closed') return
    this.status = 'closed'
    for (const stream of this.streams) stream.fail('reset', new Error('the connection is lost'))
    for (const listener of this.#listeners) listener()
    this.host.disconnected(this)
  }
}

/** What is between two ends. */
type Wire = {
  ends: readonly [SimulatedConnection, SimulatedConnection]
  readonly window: number
  carryFrom(end: SimulatedConnection): Carry
  cut(by: SimulatedConnection | null): void
  /** Nothing passes until it is freed; who waits too long gives the connection up. */
  stall(): void
  free(): void
  readonly open: boolean
}

const GIVE_UP_MS = 20_000
const SNUB_MS = 250
const SNUB_MAX_MS = 16_000
const DIAL_MS = [50, 1_500] as const

/** @param weather asked each time: it may change */
export const createNetwork = (scheduler: Scheduler, chance: Chance, weather: () => Weather): Network => {
  const hosts = new Map<PeerId, Host>()
  const wires = new Map<string, Wire>()
  const dialing = new Set<string>()
  /** Whom somebody hung up on is tried again later and later, as a dialer does. */
  const snubs = new Map<string, { readonly times: number; readonly until: number }>()
  let groupOf = new Map<PeerId, number>()
  let count = 0

  const reaches = (a: PeerId, b: PeerId): boolean => groupOf.get(a) === groupOf.get(b)
  const latency = (): number => chance.between(...weather().latency)

  const connect = (dialer: Host, listener: Host): void => {
    const name = nameOf(dialer.peer, listener.peer)
    const id = `c${count++}`
    const wire = createWire(name)
    const mine = new SimulatedConnection(`${id}a`, 'outbound', dialer, listener.peer, wire)
    const theirs = new SimulatedConnection(`${id}b`, 'inbound', listener, dialer.peer, wire)
    wire.ends = [mine, theirs]
    wires.set(name, wire)
    wire.carryFrom(theirs)(0, 'connected', () => dialer.connected(mine))
    wire.carryFrom(mine)(0, 'connected', () => listener.connected(theirs))
  }

  const createWire = (name: string): Wire => {
    type Parcel = { readonly to: SimulatedConnection; readonly what: string; readonly arrive: () => void }
    let open = true
    let stalled = false
    let held: Parcel[] = []
    /** When the last parcel to each end was sent, and comes: what is sent at one moment comes together. */
    const last = new Map<SimulatedConnection, { readonly sent: number; readonly at: number }>()
    const send = ({ to, what, arrive }: Parcel): void => {
      const now = scheduler.now()
      const before = last.get(to)
      const at = before?.sent === now ? before.at : Math.max(before?.at ?? 0, now + latency())
      last.set(to, { sent: now, at })
      scheduler.after(at - now, to.host.owner, what, () => {
        if (!open) return
        if (stalled) held.push({ to, what, arrive })
        else arrive()
      })
    }
    const wire: Wire = {
      ends: [] as never,
      window: weather().window,
      get open() {
        return open
      },
      carryFrom: (end) => (_bytes, what, arrive) => {
        if (!open || !end.host.owner.alive) return
        const parcel = { to: end.other, what, arrive }
        if (stalled) held.push(parcel)
        else send(parcel)
      },
      cut: (by) => {
        if (!open) return
        open = false
        held = []
        wires.delete(name)
        if (by !== null) {
          const times = (snubs.get(name)?.times ?? 0) + 1
          snubs.set(name, { times, until: scheduler.now() + Math.min(SNUB_MS * 2 ** times, SNUB_MAX_MS) })
        }
        for (const end of wire.ends) {
          scheduler.after(end === by ? 0 : latency(), end.host.owner, 'cut', () => end.lost())
        }
      },
      stall: () => {
        stalled = true
        scheduler.after(GIVE_UP_MS, NOBODY, 'given up', () => {
          if (stalled) wire.cut(null)
        })
      },
      free: () => {
        stalled = false
        for (const parcel of held.splice(0)) send(parcel)
      },
    }
    return wire
  }

  const dial = (dialer: Host, listener: Host): void => {
    const name = nameOf(dialer.peer, listener.peer)
    if (dialing.has(name)) return
    dialing.add(name)
    scheduler.after(chance.between(...DIAL_MS), NOBODY, 'dial', () => {
      dialing.delete(name)
      const there = hosts.get(dialer.peer) === dialer && hosts.get(listener.peer) === listener
      if (there && !wires.has(name) && reaches(dialer.peer, listener.peer)) connect(dialer, listener)
    })
  }

  return {
    join: (host) => {
      hosts.set(host.peer, host)
      for (const name of [...snubs.keys()]) if (name.split('/').includes(host.peer)) snubs.delete(name)
    },
    leave: (host) => {
      if (hosts.get(host.peer) === host) hosts.delete(host.peer)
      for (const wire of [...wires.values()]) if (wire.ends.some((end) => end.host === host)) wire.cut(null)
    },
    partition: (groups) => {
      groupOf = new Map((groups ?? []).flatMap((group, index) => group.map((peer) => [peer, index])))
      for (const wire of [...wires.values()]) {
        const [a, b] = wire.ends
        if (reaches(a.host.peer, b.host.peer)) wire.free()
        else if (chance.odds(0.5)) wire.cut(null)
        else wire.stall()
      }
    },
    mend: () => {
      const all = [...hosts.values()]
      for (const [index, a] of all.entries()) {
        for (const b of all.slice(index + 1)) {
          const wire = wires.get(nameOf(a.peer, b.peer))
          if (wire !== undefined) {
            if (chance.odds(weather().breaks)) wire.cut(null)
          } else if (reaches(a.peer, b.peer) && (snubs.get(nameOf(a.peer, b.peer))?.until ?? 0) <= scheduler.now())
            dial(...(chance.odds(0.5) ? ([a, b] as const) : ([b, a] as const)))
        }
      }
    },
    fling: (connection, what, arrive) => {
      const { wire, other } = connection
      if (!connection.host.owner.alive) return
      const copies = chance.odds(weather().loss) ? 0 : chance.odds(weather().duplication) ? 2 : 1
      for (let copy = 0; copy < copies; copy++) {
        scheduler.after(latency() * chance.between(1, 4), other.host.owner, what, () => {
          if (wire.open && reaches(connection.host.peer, other.host.peer)) arrive(other)
        })
      }
    },
  }
}

/** Whose events are the network's own. */
const NOBODY: Owner = { name: 'network', alive: true }

const nameOf = (a: PeerId, b: PeerId): string => [a, b].sort().join('/')
