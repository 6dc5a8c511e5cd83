import type { PeerEvent } from '../../peer/events.ts'
import type { ParsedRecord } from '../../peer/log/record.ts'
import { beginNewIncarnation } from '../../peer/store/meta.ts'
import type { PeerId, UserName } from '../../shared/ids.ts'
import type { Chance } from './chance.ts'
import { type Flaws, type Life, startLife } from './device.ts'
import type { Death, Disk, Image } from './disk.ts'
import type { SimulatedGossip } from './gossip-cloud.ts'
import type { Network } from './network.ts'
import { DAWN, type Office, type Person } from './people.ts'
import type { Cast } from './plan.ts'
import type { Owner, Scheduler } from './scheduler.ts'
import type { Timers } from './timers.ts'

/** One device through all its lives. */
export type SeatOfDevice = {
  readonly name: string
  readonly peer: PeerId
  readonly user: UserName
  readonly cast: Cast
  readonly person: Person
  readonly disk: Disk
  readonly storeKey: Uint8Array
  /** Null while it is off. */
  readonly life: Life | null
  /** How often its store was put back to an earlier state. */
  readonly restores: number
  /** What its clock says, milliseconds since the epoch. */
  now(): number
  start(): Promise<void>
  /** Ends the present life; null: in good order. */
  end(death: Death | null): Promise<void>
  /** What is on its disk becomes this, as a restored backup does. */
  restore(image: Image): void
}

/** What all seats share. */
export type House = {
  readonly office: Office
  readonly scheduler: Scheduler
  readonly timers: Timers
  readonly network: Network
  readonly flaws: Flaws
  readonly gossipFor: (owner: Owner) => SimulatedGossip
  readonly onDeath: (seat: SeatOfDevice) => void
  readonly onEvent: (seat: SeatOfDevice, event: PeerEvent) => void
  readonly onSigned: (seat: SeatOfDevice, records: readonly ParsedRecord[]) => void
  /** Who owns what happens while a life begins, and after. */
  readonly lives: Map<Owner, () => Promise<boolean>>
}

export const createSeat = (
  house: House,
  name: string,
  cast: Cast,
  person: Person,
  disk: Disk,
  chance: Chance,
): SeatOfDevice => {
  const { scheduler, timers, network } = house
  const storeKey = chance.bytes(32)
  let life: Life | null = null
  let lives = 0
  let restores = 0
  let isRestored = false
  // Whole milliseconds, as `Date.now()` tells (ECMA-262 §21.4.1.1), though timers of the simulator fire between them.
  const now = (): number => DAWN + Math.floor(scheduler.now()) + cast.skewMs

  const seat: SeatOfDevice = {
    name,
    peer: person.self.peerId,
    user: person.self.user,
    cast,
    person,
    disk,
    storeKey,
    get life() {
      return life
    },
    get restores() {
      return restores
    },
    now,
    start: async () => {
      const owner: Owner = { name: `${name}/${lives}`, alive: true }
      const drive = disk.open(() => {
        owner.alive = false
        house.onDeath(seat)
      })
      const random = chance.fork(`life ${lives++}`)
      house.lives.set(owner, async () => drive.stirred())
      await scheduler.as(owner, 'start', () => {
        if (isRestored) beginNewIncarnation(drive.database)
        isRestored = false
        const starting = startLife({
          anchor: house.office.anchor,
          person,
          owner,
          drive,
          storeKey,
          random,
          now,
          lived: scheduler.now,
          gossip: house.gossipFor(owner),
          flaws: house.flaws,
          busy: timers.busy,
          onEvent: (event) => house.onEvent(seat, event),
          onSigned: (records) => house.onSigned(seat, records),
        })
        return timers.busy(
          starting.then((started) => {
            life = started
            house.lives.set(owner, started.rest)
            network.join(started.host)
          }),
        )
      })
    },
    end: async (death) => {
      if (life === null) return
      const ended = life
      life = null
      if (death === null) await scheduler.as(ended.owner, 'stop', () => timers.busy(ended.stop()))
      else ended.drive.die(death)
      ended.owner.alive = false
      network.leave(ended.host)
      house.lives.delete(ended.owner)
      ended.drive.release()
    },
    restore: (image) => {
      disk.put(image)
      isRestored = true
      restores++
    },
  }
  return seat
}
