import { DAY_MS, HOUR_MS, SECOND_MS } from '../../shared/limits.ts'
import { type Chance, createChance } from './chance.ts'
import type { Weather } from './network.ts'
import type { Act, Befalling, Cast, Doing, Mischief, Plan, RoomName, Seat } from './plan.ts'

const NAMES = ['anna', 'ben', 'cleo', 'dan', 'eve', 'finn'] as const
const SIZES = [3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 5, 5, 5, 6, 6, 7, 8, 10] as const

/** What a seed stands for: who there is, and what happens. */
export const planOf = (seed: number): Plan => {
  const chance = createChance(`plan ${seed}`)
  const cast = castOf(chance)
  const story = createStory(chance, cast)
  story.begin()
  const episodes = chance.between(6, 20)
  for (let episode = 0; episode < episodes; episode++) story.episode()
  const acts = story.acts.toSorted((a, b) => a.at - b.at)
  return { seed, weather: weatherOf(chance), cast, acts, length: story.now() + SECOND_MS }
}

const castOf = (chance: Chance): readonly Cast[] => {
  const size = chance.pick(SIZES)
  const users = NAMES.slice(0, chance.between(2, Math.min(size, NAMES.length)))
  const together = chance.odds(0.5)
  const evil = chance.odds(0.4) ? chance.between(1, size - 1) : -1
  return Array.from({ length: size }, (_, seat) => ({
    user: users[seat] ?? chance.pick(users),
    skewMs: chance.odds(0.25) ? chance.between(-8 * HOUR_MS, 8 * HOUR_MS) : chance.between(-300, 300),
    startsAt: together ? 0 : chance.between(0, 3 * SECOND_MS),
    evil: seat === evil,
  }))
}

const weatherOf = (chance: Chance): Weather => ({
  latency: [1, chance.pick([5, 20, 100, 400])],
  loss: chance.pick([0, 0.1, 0.5]),
  duplication: chance.pick([0, 0.2]),
  window: chance.pick([2_048, 65_536, 1_048_576]),
  breaks: chance.pick([0, 0, 0.01]),
})

/** A room as far as the story goes, which need not be how it is by the rules. */
type Place = { readonly name: RoomName; readonly open: boolean; members: string[]; admins: string[] }

const createStory = (chance: Chance, cast: readonly Cast[]) => {
  const acts: Act[] = []
  const users = [...new Set(cast.map(({ user }) => user))]
  const seats = cast.map((_, seat) => seat)
  const honest = seats.filter((seat) => cast[seat]?.evil === false)
  const evil = seats.find((seat) => cast[seat]?.evil === true)
  const places: Place[] = []
  // Mostly they have found each other before they begin.
  let now = Math.max(...cast.map(({ startsAt }) => startsAt)) + (chance.odds(0.2) ? 0 : 3 * SECOND_MS)
  let count = 0
  const revoked = new Set<Seat>()

  const pass = (most: number): number => {
    now += chance.between(20, most)
    return now
  }
  const does = (by: Seat, doing: Doing): void => void acts.push({ at: pass(900), by, does: doing })
  const befalls = (what: Befalling): void => void acts.push({ at: pass(900), befalls: what })
  const seatOf = (user: string): Seat => chance.pick(seats.filter((seat) => cast[seat]?.user === user))
  const anyRoom = (): RoomName => {
    const kind = chance.weighted({ general: 2, direct: 1, founded: places.length === 0 ? 0 : 6 })
    if (kind === 'founded') return chance.pick(places).name
    return kind === 'general' ? 'general' : { with: chance.pick(users) }
  }
  const speakerIn = (room: RoomName): Seat => {
    const place = places.find(({ name }) => name === room)
    return place === undefined || place.members.length === 0 || chance.odds(0.1)
      ? chance.pick(seats)
      : seatOf(chance.pick(place.members))
  }

  const found = (): void => {
    const by = chance.pick(honest)
    const creator = cast[by]?.user ?? ''
    const open = chance.odds(0.4)
    const name = { founded: count++ }
    const history = chance.odds(0.5) ? 'all' : 'since-join'
    const place: Place = { name, open, members: [creator], admins: [creator] }
    places.push(place)
    does(by, { kind: 'found', number: name.founded, access: open ? 'open' : 'invite', history })
    for (const user of users) {
      if (user === creator || chance.odds(0.25)) continue
      place.members.push(user)
      if (open && chance.odds(0.7)) does(seatOf(user), { kind: 'join', room: name })
      else does(by, { kind: 'invite', room: name, user })
      if (chance.odds(0.35)) {
        place.admins.push(user)
        does(by, { kind: 'grant', room: name, user, admin: true })
      }
    }
  }
  const say = (): void => {
    const room = anyRoom()
    const by = speakerIn(room)
    const kind = chance.weighted({ say: 12, edit: 1, 'take-back': 1, react: 1, read: 2, rekey: 0.3 })
    const nth = chance.below(4)
    if (kind === 'say') {
      const reply = chance.odds(0.1) ? { reply: nth } : {}
      does(by, { kind, room, text: `word ${acts.length}`, ...reply })
    } else if (kind === 'read' || kind === 'rekey') does(by, { kind, room })
    else does(by, { kind, room, nth })
  }
  const talk = (): void => {
    for (let words = chance.between(2, 7); words > 0; words--) say()
  }
  const politics = (): void => {
    if (places.length === 0) return
    const place = chance.pick(places)
    const { name: room } = place
    const user = chance.pick(users)
    const by = seatOf(place.admins.length === 0 || chance.odds(0.1) ? user : chance.pick(place.admins))
    const kind = chance.weighted({ remove: 5, invite: 4, join: 3, leave: 1.5, grant: 3, withdraw: 1.5, change: 1.5 })
    switch (kind) {
      case 'remove':
        place.members = place.members.filter((one) => one !== user)
        place.admins = place.admins.filter((one) => one !== user)
        does(by, { kind, room, user })
        return
      case 'invite':
        if (!place.members.includes(user)) place.members.push(user)
        does(by, { kind, room, user })
        return
      case 'join':
      case 'leave':
        if (kind === 'join' && place.open) place.members.push(user)
        does(seatOf(user), { kind, room })
        return
      case 'grant':
        if (!place.admins.includes(user)) place.admins.push(user)
        does(by, { kind, room, user, admin: true })
        return
      case 'withdraw':
        does(by, { kind: 'grant', room, user, admin: false })
        return
      case 'change': {
        const settings = chance.pick([
          { name: `name ${acts.length}` },
          { topic: `topic ${acts.length}` },
          { keepMessages: chance.between(2, 8) },
          { keepMs: chance.pick([20, 60]) * SECOND_MS },
        ])
        does(by, { kind, room, settings })
        return
      }
    }
  }
  /** Two admins remove each other while they do not hear of each other. */
  const duel = (): void => {
    const place = chance.pick(places)
    const [a, b] = chance.shuffled(place.admins)
    if (a === undefined || b === undefined) return
    befalls({ kind: 'partition', groups: parted((seat) => cast[seat]?.user === a) })
    does(seatOf(a), { kind: 'remove', room: place.name, user: b })
    does(seatOf(b), { kind: 'remove', room: place.name, user: a })
    for (const user of [a, b]) does(seatOf(user), { kind: 'say', room: place.name, text: `word ${acts.length}` })
    now += chance.between(0, 4) * SECOND_MS
    befalls({ kind: 'heal' })
  }
  const parted = (isFirst: (seat: Seat) => boolean): readonly (readonly Seat[])[] => [
    seats.filter(isFirst),
    seats.filter((seat) => !isFirst(seat)),
  ]
  const split = (): void => {
    const sides = new Map(seats.map((seat) => [seat, chance.below(2)]))
    befalls({ kind: 'partition', groups: parted((seat) => sides.get(seat) === 0) })
    for (let more = chance.between(1, 4); more > 0; more--) (chance.odds(0.6) ? talk : politics)()
    now += chance.between(0, 10) * SECOND_MS
    befalls({ kind: 'heal' })
  }
  const crash = (): void => {
    const death = chance.odds(0.5) ? 'kill' : 'power-cut'
    befalls({
      kind: 'crash',
      seat: chance.pick(honest),
      points: chance.below(30),
      death,
      backAfterMs: chance.between(10, 6_000),
    })
    talk()
  }
  const stop = (): void => {
    befalls({ kind: 'stop', seat: chance.pick(honest), backAfterMs: chance.between(500, 20_000) })
    talk()
    politics()
  }
  const restore = (): void => {
    const seat = chance.pick(honest)
    const number = count++
    befalls({ kind: 'backup', seat, number })
    for (let more = chance.between(1, 3); more > 0; more--) (chance.odds(0.7) ? talk : politics)()
    befalls({ kind: 'restore', seat, number })
    talk()
  }
  const sleep = (): void => {
    befalls({
      kind: 'sleep',
      ms: chance.pick([chance.between(HOUR_MS, 20 * HOUR_MS), chance.between(DAY_MS, 4 * DAY_MS)]),
    })
    now += chance.between(1, 5) * SECOND_MS
    talk()
  }
  const revoke = (): void => {
    const able = seats.filter((seat) => !revoked.has(seat))
    if (able.length < 3) return
    const seat = chance.pick(able)
    revoked.add(seat)
    const to = chance.pick(able.filter((other) => other !== seat))
    befalls({ kind: 'revoke', seat, to, agoMs: chance.pick([0, 0, 3, 30]) * SECOND_MS })
    talk()
  }
  const steal = (): void => {
    befalls({ kind: 'steal', seat: chance.pick(honest) })
    talk()
  }
  const mischief = (): void => {
    if (evil === undefined) return
    const room = anyRoom()
    const user = chance.pick(users)
    const what: Mischief = chance.pick<Mischief>([
      { kind: 'equivocate', room },
      { kind: 'replay', room },
      { kind: 'forge', room, what: chance.pick(['invite', 'remove', 'grant'] as const), user },
      { kind: 'wrong-boxes', room, how: chance.pick(['garbage', 'other-secret', 'left-out'] as const) },
      { kind: 'lie-about-keys' },
      { kind: 'write-on', room },
      { kind: 'pry', room },
      { kind: 'flood', room, records: chance.between(20, 60) },
    ])
    does(evil, what)
    talk()
  }

  return {
    acts,
    now: () => now,
    begin: () => {
      for (let rooms = chance.between(1, 3); rooms > 0; rooms--) found()
      talk()
    },
    episode: () => {
      const kind = chance.weighted({
        talk: 8,
        politics: 7,
        split: 3,
        duel: 1.5,
        crash: 3,
        stop: 1,
        restore: 0.7,
        sleep: 0.6,
        revoke: 0.8,
        steal: 0.6,
        mischief: evil === undefined ? 0 : 5,
      })
      const episodes = { talk, politics, split, duel, crash, stop, restore, sleep, revoke, steal, mischief }
      episodes[kind]()
    },
  }
}
