import { createHash } from 'node:crypto'
import type { RoomId } from '../../shared/ids.ts'
import { SECOND_MS } from '../../shared/limits.ts'
import { createChance } from './chance.ts'
import { type Deed, type Notes, type Places, perform } from './deeds.ts'
import type { Flaws } from './device.ts'
import { Crash, type createRack, type Image } from './disk.ts'
import { type Forks, forksHeldBy } from './forks.ts'
import { createGossipCloud } from './gossip-cloud.ts'
import { createJournal, type Journal } from './journal.ts'
import { createMischief, isMischief } from './mischief.ts'
import { createNetwork, type Weather } from './network.ts'
import { DAWN, type Office } from './people.ts'
import { type Act, type Befalling, nameOfSeat, type Plan, type Seat } from './plan.ts'
import { createScheduler, type Owner } from './scheduler.ts'
import { createSeat, type House, type SeatOfDevice } from './seat.ts'
import { simulateTimers } from './timers.ts'

/** A run that has come to its end: everybody is there again, and nothing changes any more. */
export type World = {
  readonly plan: Plan
  readonly office: Office
  readonly seats: readonly SeatOfDevice[]
  readonly journal: Journal
  readonly places: Places
  /** Milliseconds since the run began. */
  readonly now: number
  /** Whether it came to rest at all. */
  readonly calm: boolean
  readonly events: number
  /** Runs something at a device, as an event of its own, and all that follows from it for a while. */
  ask<T>(seat: SeatOfDevice, what: string, run: () => Promise<T>): Promise<T>
  /** Runs something at a device, as an event of its own. */
  at<T>(seat: SeatOfDevice, what: string, run: () => Promise<T>): Promise<T | null>
  /** The same device with an empty store, where nobody reaches it. */
  observer(of: SeatOfDevice): Promise<SeatOfDevice>
  /** All that happened, and what it came to. */
  fingerprint(): string
}

export type WorldParts = {
  readonly office: Office
  readonly rack: ReturnType<typeof createRack>
  readonly flaws: Flaws
  /** Told of each event, to look at a single run. */
  readonly watch?: (line: string) => void
}

const MEND_MS = 500
const CALM_MS = 15 * SECOND_MS // in which nothing may change, twice
const CALM_AFTER_MS = 75 * SECOND_MS // receipts of what is held come within a minute
const PATIENCE_MS = 900 * SECOND_MS

type Errand = { readonly at: number; readonly run: () => Promise<void> }

/** Runs a plan to its end, and hands the world over before it is taken down. */
export const runPlan = async <T>(plan: Plan, parts: WorldParts, look: (world: World) => Promise<T>): Promise<T> => {
  const { office, flaws } = parts
  const hash = createHash('sha256')
  const trace = (at: number, owner: string, what: string): void => {
    hash.update(`${at} ${owner} ${what}\n`)
    parts.watch?.(`${(at / 1_000).toFixed(3)} ${owner}: ${what}`)
  }
  const lives = new Map<Owner, () => Promise<boolean>>()
  const timers = simulateTimers(
    () => scheduler,
    async (owner) =>
      (await lives
        .get(owner)?.()
        .catch(() => false)) ?? false,
  )
  const journal = createJournal()
  const strays = catchStrays(journal)
  const scheduler = createScheduler(timers.settle, trace, strays.note)
  const chance = createChance(`world ${plan.seed}`)
  let weather: Weather = plan.weather
  const network = createNetwork(scheduler, chance.fork('network'), () => weather)
  const cloud = createGossipCloud(network)
  const dying: SeatOfDevice[] = []
  /** By device, the forks that it had proof of when it began what it did last, in the founded room in which it did that. */
  const knew = new Map<SeatOfDevice, { readonly room: RoomId; readonly forks: Forks }>()
  const house: House = {
    office,
    scheduler,
    timers,
    network,
    flaws,
    lives,
    gossipFor: (owner) => cloud(owner, (work) => void timers.busy(work)),
    onDeath: (seat) => void dying.push(seat),
    onEvent: (seat, event) => {
      trace(scheduler.now(), seat.name, `tells ${event.kind}`)
      const number = seats.indexOf(seat)
      if (event.kind !== 'foul' || number < 0) return
      journal.fouls.set(number, [...(journal.fouls.get(number) ?? []), `${event.refusal.code} ${event.user}`])
      parts.watch?.(`    foul: ${event.refusal.code} ${event.refusal.detail} by ${event.user}`)
    },
    onSigned: (seat, records) => {
      if (!seats.includes(seat)) return
      for (const record of records) {
        journal.signed.set(record.hash, { by: seats.indexOf(seat), at: scheduler.now(), record })
        // What a killed process left unsigned is signed at the next start, before anything else is done.
        const known = knew.get(seat)
        if (journal.knewForks.has(record.hash)) continue
        journal.knewForks.set(record.hash, known?.room === record.room ? known.forks : new Map())
      }
    },
  }
  const seats = plan.cast.map((cast, number) =>
    createSeat(
      house,
      nameOfSeat(plan, number),
      cast,
      office.enrol(number, cast.user),
      parts.rack.disk(flaws.persistenceOrder === true),
      chance.fork(`seat ${number}`),
    ),
  )
  const places: Places = new Map()
  const mischief = createMischief({
    office,
    seats,
    places,
    journal,
    network,
    timers,
    chance: chance.fork('mischief'),
    now: scheduler.now,
  })
  const images = new Map<number, Image>()
  const errands: Errand[] = []
  let slept = 0
  let lists = 0
  let list: Uint8Array | null = null

  const plant = (at: number, run: () => Promise<void>): void => {
    const index = errands.findIndex((other) => other.at > at)
    errands.splice(index < 0 ? errands.length : index, 0, { at, run })
  }
  /** Milliseconds in which somebody was awake. */
  const awake = (): number => scheduler.now() - slept
  const bury = async (): Promise<void> => {
    for (let seat = dying.shift(); seat !== undefined; seat = dying.shift()) {
      const death = seat.life?.drive.dead ?? 'kill'
      await seat.end(death)
    }
  }
  const runUntil = async (at: number): Promise<void> => {
    for (;;) {
      const [errand] = errands
      const until = Math.min(at, errand?.at ?? at) + slept
      while (await scheduler.step(until)) if (dying.length > 0) await bury()
      if (errand === undefined || errand.at > at) return
      errands.shift()
      await errand.run()
      await bury()
    }
  }
  const mend = async (): Promise<void> => {
    network.mend()
    plant(awake() + MEND_MS, mend)
  }
  const start = async (seat: SeatOfDevice): Promise<void> => {
    if (seat.life === null) await seat.start()
  }

  /** Does something at a device; what does not come to its end by itself waited for somebody else. */
  const doing = async <R>(seat: SeatOfDevice, what: string, run: () => Promise<R>): Promise<R | null> => {
    const { life } = seat
    if (life === null) return null
    let done = false
    let result: R | null = null
    await scheduler.as(life.owner, what, () => {
      run().then(
        (value) => {
          done = true
          result = value
        },
        (error: unknown) => {
          done = true
          if (life.owner.alive) journal.faults.push(`${seat.name}, ${what}: ${String(error)}`)
        },
      )
    })
    if (!done && life.owner.alive) journal.waited.push(`${seat.name}: ${what}`)
    await bury()
    return result
  }
  const actOf = async (act: Act): Promise<void> => {
    if ('befalls' in act) return await befall(act.befalls)
    const seat = seats[act.by]
    const { does } = act
    if (seat?.life == null) return
    const { life } = seat
    if (isMischief(does)) {
      // It signs on another thread, of which its device's own parts know nothing.
      if (seat.cast.evil) await doing(seat, does.kind, () => timers.busy(mischief(seat, does)))
      return
    }
    const knewRevoked = [...journal.revoked.keys()].filter((out) => {
      const { serial } = office.enrol(out, plan.cast[out]?.user ?? '').self
      return life.revocations.has(serial)
    })
    const room =
      'room' in does && typeof does.room === 'object' && 'founded' in does.room && places.get(does.room.founded)
    if (room) knew.set(seat, { room, forks: forksHeldBy(life, room) })
    const notes: Notes = {
      takenBack: (id) => journal.takenBack.add(id),
      edited: (id, edits) => {
        for (const edit of edits) journal.edits.set(edit, id)
      },
    }
    const deed = () => perform(life, places, does as Deed, notes)
    // Who leaves signs for what was there, on another thread, of which the author knows nothing.
    const hash = await doing(seat, does.kind, does.kind === 'leave' ? () => timers.busy(deed()) : deed)
    if (does.kind === 'rekey') journal.rekeys++
    if (hash === null) return
    const said = journal.signed.get(hash)?.record
    if (said !== undefined)
      journal.said.push({ hash, room: said.room, by: act.by, restores: seat.restores, knewRevoked })
  }
  const befall = async (what: Befalling): Promise<void> => {
    const seat = 'seat' in what ? seats[what.seat] : undefined
    switch (what.kind) {
      case 'partition':
        return network.partition(what.groups.map((group) => group.flatMap((one) => seats[one]?.peer ?? [])))
      case 'heal':
        return network.partition(null)
      case 'sleep':
        slept += what.ms
        journal.sleeps.push({ at: scheduler.now(), ms: what.ms })
        return scheduler.sleep(what.ms)
      default:
        break
    }
    if (seat === undefined) return
    switch (what.kind) {
      case 'crash':
        seat.life?.drive.dieIn(what.points, what.death)
        return plant(awake() + what.backAfterMs, () => start(seat))
      case 'stop':
        await seat.end(null)
        return plant(awake() + what.backAfterMs, () => start(seat))
      case 'backup':
        images.set(what.number, seat.disk.image())
        return
      case 'restore': {
        const image = images.get(what.number)
        if (image === undefined) return
        await seat.end('kill')
        seat.restore(image)
        return await start(seat)
      }
      case 'steal':
        journal.thefts.push({ seat: what.seat, image: seat.disk.image(), at: scheduler.now() })
        return
      case 'revoke':
        return await revoke(what.seat, what.to, what.agoMs)
    }
  }
  const revoke = async (out: Seat, to: Seat, agoMs: number): Promise<void> => {
    const now = DAWN + scheduler.now()
    journal.revoked.set(out, Math.floor((now - agoMs) / SECOND_MS) * SECOND_MS)
    const entries = [...journal.revoked].map(([seat, since]) => ({
      device: office.enrol(seat, plan.cast[seat]?.user ?? '').self,
      since,
    }))
    list = await office.revoke(++lists, now, entries)
    const first = seats[to]
    if (first !== undefined) await hand(first)
  }
  /** The newest list of the CA reaches a device. */
  const hand = async (seat: SeatOfDevice): Promise<void> => {
    const der = list
    if (der !== null) await doing(seat, 'revocations', async () => seat.life?.revocations.take(der))
  }

  const signature = (): string =>
    seats
      .map(({ life }) => {
        if (life === null) return '-'
        const rooms = life.core.rooms.all().map(({ id }) => Buffer.from(life.core.log.digest(id)).toString('base64'))
        const locked = life.core.rooms.all().filter(({ id }) => life.stores.records.hasLocked(id)).length
        return `${rooms.sort().join()} ${locked}`
      })
      .join('\n')
  const calmDown = async (): Promise<boolean> => {
    weather = { ...weather, loss: 0, breaks: 0 }
    network.partition(null)
    await runUntil(awake() + 7 * SECOND_MS) // those that are on their way back are back
    for (const seat of seats) {
      seat.life?.drive.dieIn(Number.POSITIVE_INFINITY, 'kill') // who has not died by now lives to the end
      await start(seat)
    }
    await runUntil(awake() + 2 * SECOND_MS)
    const heir = seats.find((seat, number) => !seat.cast.evil && !journal.revoked.has(number))
    if (heir !== undefined) await hand(heir)
    await runUntil(awake() + CALM_AFTER_MS)
    let before = ''
    for (let waited = 0; waited < PATIENCE_MS; waited += CALM_MS) {
      const now = signature()
      if (now === before) return true
      before = now
      await runUntil(awake() + CALM_MS)
    }
    return false
  }

  try {
    for (const [number, { startsAt }] of plan.cast.entries()) {
      const seat = seats[number]
      if (seat !== undefined) plant(startsAt, () => start(seat))
    }
    plant(0, mend)
    for (const act of plan.acts) plant(act.at, () => actOf(act))
    await runUntil(plan.length)
    const calm = await calmDown()
    const world: World = {
      plan,
      office,
      seats,
      journal,
      places,
      now: scheduler.now(),
      calm,
      events: scheduler.count(),
      ask: async (seat, what, run) => {
        const { life } = seat
        if (life === null) throw new Error(`${seat.name} is off`)
        let open = true
        const answer = await scheduler.as(life.owner, what, () => {
          const promise = run()
          promise
            .catch(() => undefined)
            .finally(() => {
              open = false
            })
          return { promise }
        })
        for (let waited = 0; open && waited < 20 * SECOND_MS; waited += 50) await runUntil(awake() + 50)
        return await answer.promise
      },
      at: doing,
      observer: async (of) => {
        const nowhere = {
          ...house,
          flaws: { ...flaws, voice: true },
          network: { ...network, join: () => undefined, leave: () => undefined },
        }
        const name = `${of.name} elsewhere`
        const observer = createSeat(nowhere, name, of.cast, of.person, parts.rack.disk(false), chance.fork(name))
        await observer.start()
        return observer
      },
      fingerprint: () => `${hash.copy().digest('hex')} ${createHash('sha256').update(signature()).digest('hex')}`,
    }
    return await look(world)
  } finally {
    for (const seat of seats) await seat.end('kill')
    timers.restore()
    strays.release()
  }
}

/** What is thrown where nobody catches it would end a real process. Of a device that dies it is how it dies. */
const catchStrays = (journal: Journal) => {
  const others = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection')
  const note = (reason: unknown): void => {
    const causes = [reason, reason instanceof Error ? reason.cause : null]
    if (causes.some((cause) => cause instanceof Crash)) return
    journal.faults.push(reason instanceof Error ? (reason.stack ?? reason.message) : String(reason))
  }
  process.on('unhandledRejection', note)
  return {
    note,
    release: () => {
      process.removeListener('unhandledRejection', note)
      for (const other of others) process.on('unhandledRejection', other)
    },
  }
}
