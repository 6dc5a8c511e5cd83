import type { PeerId, RoomId, UserName } from '../../shared/ids.ts'
import { toIncarnation } from '../../shared/ids.ts'
import type { Range } from '../group/cuts.ts'
import type { Log } from '../log/log.ts'
import type { LogId } from '../store/log-id.ts'
import type { RecordStore } from '../store/records.ts'
import type { Directory } from './directory.ts'
import type { Room } from './room.ts'

/** What counts for nobody, because its author was removed from the room, or revoked, by then: kept, and not shown. */
export type Hiding = {
  /** A room as it stands at a start. */
  load(room: Room): void
  /** A log has a record more. */
  touch(log: LogId): void
  /** Brings the store in line with the rules. @param all logs of the room, or just those that were touched. @returns whether anything that stood before has changed */
  conclude(room: Room, all: boolean): boolean
  isHidden(log: LogId, seq: number): boolean
}

export type HidingParts = {
  readonly records: Pick<RecordStore, 'hide'>
  readonly log: Pick<Log, 'heads' | 'fork'>
  readonly directory: Pick<Directory, 'userOf'>
  readonly revokedSince: (device: PeerId) => number | null
  readonly coveredUntil: (log: LogId, revokedAt: number) => number
}

export const createHiding = ({ records, log, directory, revokedSince, coveredUntil }: HidingParts): Hiding => {
  const hidden = new Map<string, readonly Range[]>()
  const touched = new Map<RoomId, Map<string, LogId>>()

  const rangesOf = (room: Room, id: LogId): readonly Range[] => {
    const user: UserName | null = directory.userOf(id.device)
    const ranges = user === null ? [] : room.hidden(user, id)
    const since = room.kind === 'directory' ? null : revokedSince(id.device)
    const fork = room.kind === 'directory' ? null : log.fork(id)
    return [
      ...ranges,
      ...(since === null ? [] : [[coveredUntil(id, since) + 1, LAST] as const]),
      // Of two records with one number each member may hold another one, and what its author built upon it.
      ...(fork === null ? [] : [[fork, LAST] as const]),
    ]
  }
  const logsOf = (room: RoomId): LogId[] =>
    log.heads(room).map(({ device, inc }) => ({ room, device: device as PeerId, incarnation: toIncarnation(inc) }))

  return {
    load: (room) => {
      for (const log of logsOf(room.id)) {
        const now = rangesOf(room, log)
        hidden.set(nameOf(log), now)
        // A process that was killed between a revocation list and what it leads to had not come to this.
        for (const [from, to] of now) records.hide(log, from, to, true)
      }
    },
    touch: (log) => {
      const logs = touched.get(log.room) ?? new Map<string, LogId>()
      touched.set(log.room, logs.set(nameOf(log), log))
    },
    conclude: (room, all) => {
      const logs = all ? logsOf(room.id) : [...(touched.get(room.id)?.values() ?? [])]
      touched.delete(room.id)
      let changed = false
      for (const log of logs) {
        const before = hidden.get(nameOf(log)) ?? []
        const now = rangesOf(room, log)
        hidden.set(nameOf(log), now)
        if (!same(before, now)) {
          changed = true
          for (const [from, to] of before) records.hide(log, from, to, false)
        }
        for (const [from, to] of now) records.hide(log, from, to, true)
      }
      return changed
    },
    isHidden: (log, seq) => (hidden.get(nameOf(log)) ?? []).some(([from, to]) => from <= seq && seq <= to),
  }
}

const LAST = Number.MAX_SAFE_INTEGER

const same = (a: readonly Range[], b: readonly Range[]): boolean =>
  a.length === b.length && a.every(([from, to], at) => b[at]?.[0] === from && b[at]?.[1] === to)

const nameOf = ({ room, device, incarnation }: LogId): string => `${room}/${device}/${incarnation}`
