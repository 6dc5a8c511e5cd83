import type { VerifiedDevice } from '../../shared/certificate/verify.ts'
import type { PeerId } from '../../shared/ids.ts'
import { HELLO_TIMEOUT_MS, SESSION_GRACE_MS } from '../../shared/limits.ts'
import type { Connection } from '../../shared/network/node.ts'

/** A live connection whose certificate hello has passed. */
export type Session = { readonly device: VerifiedDevice; readonly connection: Connection }

export type Sessions = {
  /** Takes a connection in. Only `verify.ts` can make the `VerifiedDevice`, so nobody is admitted unverified. */
  admit(device: VerifiedDevice, connection: Connection): void
  /** A connection is gone, or will not be admitted. */
  drop(connection: Connection): void
  of(peer: PeerId): Session | undefined
  /** Ends at once all sessions of devices that this is true of. @returns those devices */
  cut(isOut: (device: VerifiedDevice) => boolean): readonly VerifiedDevice[]
  list(): readonly Session[]
  /** The session of this very connection, waiting for its hello to pass; null when it does not. */
  awaited(connection: Connection): Promise<Session | null>
  /** Called at the first connection admitted of a peer, when its last has gone, and when one of several has. */
  onChange(listener: (change: SessionChange) => void): () => void
}

export type SessionChange = { readonly kind: 'began' | 'moved' | 'ended'; readonly session: Session }

export const createSessions = (self: PeerId): Sessions => {
  const byConnection = new Map<string, Session>()
  const byPeer = new Map<PeerId, Set<Session>>()
  const waiting = new Map<string, Set<(session: Session | null) => void>>()
  const listeners = new Set<(change: SessionChange) => void>()

  const of = (peer: PeerId): Session | undefined => {
    const all = byPeer.get(peer)
    if (all === undefined) return undefined
    const [first] = all
    return all.size === 1 ? first : ([...all].find((session) => isKept(self, session)) ?? first)
  }
  const settle = (connection: Connection, session: Session | null): void => {
    for (const wake of waiting.get(connection.id) ?? []) wake(session)
    waiting.delete(connection.id)
  }
  const tell = (change: SessionChange): void => {
    for (const listener of listeners) listener(change)
  }

  return {
    admit: (device, connection) => {
      const before = of(device.peerId)
      const session = { device, connection }
      const replaced = byConnection.get(connection.id)
      if (replaced !== undefined) byPeer.get(replaced.device.peerId)?.delete(replaced)
      byConnection.set(connection.id, session)
      byPeer.set(device.peerId, (byPeer.get(device.peerId) ?? new Set()).add(session))
      settle(connection, session)
      if (before === undefined) tell({ kind: 'began', session })
      else closeSurplus(of(device.peerId)?.connection === connection ? before.connection : connection)
    },
    drop: (connection) => {
      settle(connection, null)
      const session = byConnection.get(connection.id)
      if (session === undefined) return
      byConnection.delete(connection.id)
      const ofPeer = byPeer.get(session.device.peerId)
      ofPeer?.delete(session)
      if (ofPeer?.size === 0) byPeer.delete(session.device.peerId)
      const rest = of(session.device.peerId)
      tell(rest === undefined ? { kind: 'ended', session } : { kind: 'moved', session: rest })
    },
    of,
    cut: (isOut) => {
      const out = [...byConnection.values()].filter(({ device }) => isOut(device))
      for (const { connection } of out) connection.abort(new Error('revoked'))
      return [...new Map(out.map(({ device }) => [device.peerId, device])).values()]
    },
    list: () => [...byPeer.keys()].flatMap((peer) => of(peer) ?? []),
    awaited: (connection) => {
      const session = byConnection.get(connection.id)
      if (session !== undefined) return Promise.resolve(session)
      const { promise, resolve } = Promise.withResolvers<Session | null>()
      const wakes = waiting.get(connection.id) ?? new Set()
      waiting.set(connection.id, wakes.add(resolve))
      const timer = setTimeout(() => resolve(null), HELLO_TIMEOUT_MS)
      return promise.finally(() => {
        clearTimeout(timer)
        wakes.delete(resolve)
      })
    },
    onChange: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/** Two peers that dial each other keep the connection that the lower PeerId dialed: both choose the same one. */
const isKept = (self: PeerId, { device, connection }: Session): boolean =>
  connection.direction === 'outbound' ? self < device.peerId : device.peerId < self

/** The other connection first drains: streams that began on it may end on it. */
const closeSurplus = (connection: Connection): void => {
  const timer = setTimeout(() => void connection.close().catch(() => undefined), SESSION_GRACE_MS)
  timer.unref()
}
