import { nameOf } from '../../peer/group/knowledge.ts'
import { type Incarnation, type PeerId, type RoomId, toHex } from '../../shared/ids.ts'
import type { Life } from './device.ts'

/** By log, the lowest number with two records. */
export type Forks = ReadonlyMap<string, number>

/** What a device holds proof of, in a room. */
export const forksHeldBy = ({ core }: Life, room: RoomId): Forks =>
  new Map(
    core.log
      .heads(room)
      .flatMap(({ device, inc, seq, fork }) =>
        fork === 1 ? [[nameOf({ device: device as PeerId, incarnation: toHex(inc) as Incarnation }), seq]] : [],
      ),
  )
