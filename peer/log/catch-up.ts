import { type Refusal, refusalOf } from '../../shared/errors.ts'
import type { PeerId, RoomId } from '../../shared/ids.ts'
import { SYNC_DEBOUNCE_MS, SYNC_INTERVAL_MS } from '../../shared/limits.ts'
import type { Random } from '../../shared/random.ts'
import type { KeyService } from '../group/key-service.ts'
import type { Sessions } from '../network/sessions.ts'
import type { Sync } from './sync-handler.ts'

/** Decides when to sync with whom; it never runs two pulls of one room with one peer at once. */
export type CatchUp = {
  /** Soon, with this peer: it has more, or waits to hear how far we are. */
  soon(peer: PeerId, room: RoomId): void
  /** Soon, with anybody: something is missing, and it is not known who has it. */
  lack(room: RoomId): void
  stop(): void
}

export type CatchUpParts = {
  readonly sync: Sync
  readonly keys: KeyService
  readonly sessions: Sessions
  /** In this order: the directory comes first, since it has the certificates that verify the rest. */
  readonly rooms: () => readonly RoomId[]
  /** Whether messages of the room wait for a key. */
  readonly locked: (room: RoomId) => boolean
  readonly random: Random
  readonly onFailure: (peer: PeerId, refusal: Refusal) => void
}

export const startCatchUp = (parts: CatchUpParts): CatchUp => {
  const running = new Map<string, { again: boolean }>()
  const timers = new Set<NodeJS.Timeout>()
  const planned = new Set<string>()
  /** How often in a row a peer claimed to have more and gave nothing that could be taken. */
  const vain = new Map<string, number>()

  const run = async (peer: PeerId, room: RoomId): Promise<void> => {
    const name = `${peer}/${room}`
    const present = running.get(name)
    if (present !== undefined) {
      present.again = true
      return
    }
    const state = { again: false }
    running.set(name, state)
    try {
      do {
        state.again = false
        const { stored, lacking } = await parts.sync.pull(peer, room)
        vain.set(name, lacking && stored === 0 ? (vain.get(name) ?? 0) + 1 : 0)
        if (lacking) soon(peer, room)
        if (parts.locked(room)) await parts.keys.ask(peer, room)
      } while (state.again)
    } catch (error) {
      if (parts.sessions.of(peer) !== undefined) parts.onFailure(peer, refusalOf(error))
    } finally {
      running.delete(name)
    }
  }
  let stopped = false
  const soon = (peer: PeerId, room: RoomId): void => {
    const name = `${peer}/${room}`
    if (stopped || planned.has(name)) return
    planned.add(name)
    const timer = setTimeout(() => {
      timers.delete(timer)
      planned.delete(name)
      if (parts.sessions.of(peer) !== undefined) void run(peer, room)
    }, pauseOf(name))
    timers.add(timer)
  }
  /** Of two forks each member keeps its own, and a liar may claim anything: such a pair must not sync without end. */
  const pauseOf = (name: string): number =>
    Math.min(SYNC_INTERVAL_MS, SYNC_DEBOUNCE_MS * 2 ** Math.min(vain.get(name) ?? 0, 10))
  const anybody = (): PeerId | undefined => {
    const sessions = parts.sessions.list()
    return sessions[(parts.random.bytes(1)[0] ?? 0) % Math.max(1, sessions.length)]?.device.peerId
  }
  const all = async (peer: PeerId): Promise<void> => {
    for (const room of parts.rooms()) await run(peer, room)
  }

  const end = parts.sessions.onChange(({ kind, session }) => {
    if (kind === 'began') void all(session.device.peerId)
    if (kind === 'ended') for (const room of parts.rooms()) vain.delete(`${session.device.peerId}/${room}`)
  })
  const interval = setInterval(() => {
    const peer = anybody()
    if (peer !== undefined) void all(peer)
  }, SYNC_INTERVAL_MS)

  return {
    soon,
    lack: (room) => {
      const peer = anybody()
      if (peer === undefined) return
      const [directory] = parts.rooms()
      if (directory !== undefined && directory !== room) soon(peer, directory)
      soon(peer, room)
    },
    stop: () => {
      stopped = true
      end()
      clearInterval(interval)
      for (const timer of timers) clearTimeout(timer)
    },
  }
}
