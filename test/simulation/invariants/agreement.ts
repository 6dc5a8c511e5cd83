import type { RecordHash } from '../../../shared/ids.ts'
import { type Evidence, type Known, type Witness, wordsOf } from '../evidence.ts'
import type { Reference } from '../reference.ts'

/** (1) All members have the same members, admins and settings, and the same of the same logs counts. */
export function* sameRooms(evidence: Evidence, reference: Reference): Generator<string> {
  const { room, members, membership, records } = reference
  const wanted = membership === null ? null : wordsOfMembers(membership.members)
  const [first] = members
  for (const { seat, life, rooms } of members) {
    const facts = life.core.rooms.get(room)?.facts()
    if (facts === undefined) {
      if (records.length === 0) continue
      yield `${seat.name} is a member and does not know the room`
      continue
    }
    if (wanted !== null) {
      const had = wordsOfMembers(facts.members ?? new Map())
      if (had !== wanted) yield `${seat.name} has the members ${had}, and by all that is known they are ${wanted}`
      const { name, topic, keepMs, keepMessages } = facts
      const settings = JSON.stringify([name, topic, keepMs, keepMessages])
      const s = membership?.settings
      const known = JSON.stringify([s?.name, s?.topic, s?.keepMs, s?.keepMessages])
      if (settings !== known)
        yield `${seat.name} has the settings ${settings}, and by all that is known they are ${known}`
    }
    const digest = Buffer.from(life.core.log.digest(room)).toString('hex')
    const firsts = first === undefined ? digest : Buffer.from(first.life.core.log.digest(room)).toString('hex')
    if (digest !== firsts) {
      yield `${seat.name} and ${first?.seat.name} hold other records: ${difference(evidence, reference, seat.name)}`
    }
    for (const record of records) {
      const held = rooms.get(room)?.get(record.hash)
      if (held === undefined || held.hidden === reference.isHidden(record)) continue
      yield `${seat.name} ${held.hidden ? 'hides' : 'shows'} ${wordsOf(evidence, record)}, which ${held.hidden ? 'counts' : 'does not count'}`
    }
  }
}

const wordsOfMembers = (members: ReadonlyMap<string, { readonly admin: boolean }>): string =>
  [...members]
    .map(([name, { admin }]) => (admin ? `${name}*` : name))
    .sort()
    .join(' ')

const difference = (evidence: Evidence, { room, members, records }: Reference, name: string): string => {
  const one = members.find(({ seat }) => seat.name === name)
  const lacks = records.filter(({ hash }) => one?.rooms.get(room)?.has(hash) !== true)
  const more = members.flatMap(({ seat, rooms }) => {
    const missing = records.filter(({ hash }) => rooms.get(room)?.has(hash) !== true)
    return missing.length === 0
      ? []
      : [`${seat.name} lacks ${missing.slice(0, 3).map((record) => wordsOf(evidence, record))}`]
  })
  return `${name} lacks ${lacks.length}; ${more.join('; ')}`
}

/** (2) Every member reads what its history policy grants, none is lost, none is there twice, and all in one order. */
export function* allRead(evidence: Evidence, reference: Reference): Generator<string> {
  const { members, room } = reference
  const shown = visible(reference)
  for (const witness of members) {
    for (const record of shown) {
      const held = witness.rooms.get(room)?.get(record.hash)
      if (held === undefined || held.erased || held.readable || !reference.grants(witness.seat.user, record)) continue
      const { takenBack, edits } = evidence.world.journal
      if (isErasedAnywhere(members, room, record.hash) || takenBack.has(edits.get(record.hash) ?? record.hash)) continue
      const isOwn = witness.number === evidence.seatOf(record.log.device) && witness.seat.restores === 0
      const has = members.find(({ rooms }) => rooms.get(room)?.get(record.hash)?.readable === true)
      if (has !== undefined || isOwn) {
        yield `${witness.seat.name} cannot read ${wordsOf(evidence, record)}, which ${has?.seat.name ?? 'it wrote'} can`
      }
    }
    yield* oneOrder(witness, reference, shown)
  }
  yield* sameWords(reference)
  yield* noneLost(evidence, reference)
}

const visible = (reference: Reference): Known[] =>
  reference.records.filter((record) => record.header.kind === 'message' && !reference.isHidden(record))

const isErasedAnywhere = (members: readonly Witness[], room: Reference['room'], hash: RecordHash): boolean =>
  members.some(({ rooms }) => rooms.get(room)?.get(hash)?.erased === true)

function* oneOrder({ seat, life }: Witness, { room }: Reference, shown: readonly Known[]): Generator<string> {
  const order = new Map(shown.map(({ hash }, index) => [hash, index]))
  const ids = life.core.chat.history(room, 1_000).map(({ id }) => id)
  if (new Set(ids).size < ids.length) yield `${seat.name} shows a message twice`
  const places = ids.map((id) => order.get(id) ?? -1)
  if (places.includes(-1)) yield `${seat.name} shows a message that does not count`
  if (places.some((place, index) => place < (places[index - 1] ?? -1))) yield `${seat.name} shows another order`
}

/** Who can read the same is shown the same: words, edits, reactions. */
function* sameWords({ room, members, membership }: Reference): Generator<string> {
  if (membership !== null && membership.settings.keepMs + membership.settings.keepMessages > 0) return
  const shown = new Map<string, { readonly name: string; readonly words: string }>()
  for (const { seat, life, rooms } of members) {
    const held = [...(rooms.get(room)?.values() ?? [])]
    const reads = held.flatMap(({ hash, readable }) => (readable ? [hash] : []))
    const key = reads.sort().join()
    const words = JSON.stringify(
      life.core.chat
        .history(room, 1_000)
        .map(({ id, user, time, content, reply, edited, deleted, reactions, mentions }) => {
          return { id, user, time, content, reply, edited, deleted, reactions, mentions }
        }),
    )
    const other = shown.get(key)
    if (other === undefined) shown.set(key, { name: seat.name, words })
    else if (other.words !== words)
      yield `${seat.name} and ${other.name} read the same and are shown other things:\n${words}\n${other.words}`
  }
}

/** What was said is there, unless the author's device has lost it, and everybody else never had it. */
function* noneLost({ world }: Evidence, { room, members, records, isMember }: Reference): Generator<string> {
  const there = new Set(records.map(({ hash }) => hash))
  for (const { hash, room: place, by, restores } of world.journal.said) {
    const seat = world.seats[by]
    if (place !== room || seat === undefined || there.has(hash) || members.length === 0) continue
    if (seat.cast.evil || seat.restores !== restores || world.journal.revoked.has(by) || !isMember(seat.user)) continue
    yield `a message of ${seat.name} is lost: ${hash.slice(0, 6)}`
  }
}
