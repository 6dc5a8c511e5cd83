import type { Clock } from '../../shared/clock.ts'
import type { RoomId } from '../../shared/ids.ts'
import { LANE_CHECK_MS, LANE_FLOWS_RECORDS, LANE_PATIENCE_MS, SECOND_MS } from '../../shared/limits.ts'

/**
 * Lets one pull of a room go on at a time: what one peer serves need not be asked of the others, who are likely to have the
 * same. But nobody waits for long behind a peer that serves slowly, or for ever.
 */
export type Lanes = {
  /** Resolves once it is this pull's turn. */
  enter(room: RoomId): Promise<Lane>
  /** Whether a room is being pulled. */
  isBusy(room: RoomId): boolean
  stop(): void
}

export type Lane = {
  /** So many records have been stored. */
  progress(records: number): void
  leave(): void
}

type Running = { stored: number; since: number }
type Road = { readonly running: Set<Running>; readonly waiting: Waiting[] }
type Waiting = { readonly since: number; readonly go: () => void }

/** @param clock one that is never set back */
export const createLanes = (clock: Clock): Lanes => {
  const roads = new Map<RoomId, Road>()
  let timer: NodeJS.Timeout | null = null

  /** Flows as long as it stores a hundred records a second. */
  const flows = (lane: Running, now: number): boolean => {
    if (now - lane.since < SECOND_MS) return true
    const flowing = lane.stored >= LANE_FLOWS_RECORDS * ((now - lane.since) / SECOND_MS)
    lane.stored = 0
    lane.since = now
    return flowing
  }
  const start = (road: Road): void => road.waiting.shift()?.go()
  const check = (): void => {
    const now = clock.now()
    for (const { running, waiting } of roads.values()) {
      const [first] = waiting
      if (first === undefined) continue
      const slow = [...running].every((lane) => !flows(lane, now))
      if (slow || now - first.since >= LANE_PATIENCE_MS) start({ running, waiting })
    }
    arm()
  }
  const arm = (): void => {
    const needed = [...roads.values()].some(({ waiting }) => waiting.length > 0)
    if (needed) timer ??= setInterval(check, LANE_CHECK_MS)
    else {
      clearInterval(timer ?? undefined)
      timer = null
    }
  }
  const begin = (room: RoomId, road: Road): Lane => {
    const lane: Running = { stored: 0, since: clock.now() }
    road.running.add(lane)
    return {
      progress: (records) => {
        lane.stored += records
      },
      leave: () => {
        if (!road.running.delete(lane)) return
        if (road.running.size > 0) return
        if (road.waiting.length > 0) start(road)
        else roads.delete(room)
        arm()
      },
    }
  }

  return {
    enter: (room) => {
      const road = roads.get(room) ?? { running: new Set<Running>(), waiting: [] }
      roads.set(room, road)
      if (road.running.size === 0 && road.waiting.length === 0) return Promise.resolve(begin(room, road))
      const { promise, resolve } = Promise.withResolvers<Lane>()
      road.waiting.push({ since: clock.now(), go: () => resolve(begin(room, road)) })
      arm()
      return promise
    },
    isBusy: (room) => (roads.get(room)?.running.size ?? 0) > 0,
    stop: () => {
      clearInterval(timer ?? undefined)
      timer = null
      for (const road of roads.values()) while (road.waiting.length > 0) start(road)
    },
  }
}
