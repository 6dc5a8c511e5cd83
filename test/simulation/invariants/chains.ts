import { fromHex, type RecordHash, toHex, type UserName } from '../../../shared/ids.ts'
import { CLOCK_SKEW_MS } from '../../../shared/limits.ts'
import { type Evidence, type Known, logName, wordsOf } from '../evidence.ts'
import { forksHeldBy } from '../forks.ts'
import { type Reference, secondOf } from '../reference.ts'

/** (4) Once a removal or a revocation is known, nothing of its author counts that it does not cover. */
export function* nothingAfterRemoval(evidence: Evidence, reference: Reference): Generator<string> {
  const { members, room, records, facts, membership } = reference
  const { revoked } = evidence.world.journal
  const removals = facts.filter(
    ({ body, hash }) =>
      body.kind === 'remove' && membership !== null && isValid(reference, hash) && isFinal(reference, hash),
  )
  for (const { seat, rooms } of members) {
    for (const record of records) {
      const held = rooms.get(room)?.get(record.hash)
      if (held === undefined || held.hidden) continue
      const since = revoked.get(evidence.seatOf(record.log.device))
      if (since !== undefined && record.header.time[0] > secondOf(since) + CLOCK_SKEW_MS) {
        yield `${seat.name} shows ${wordsOf(evidence, record)}, which is later than its author's revocation`
      }
      for (const { body, past } of removals) {
        if (body.kind !== 'remove' || body.user !== record.user || reference.isMember(record.user)) continue
        const head = body.heads.find(
          ({ device, inc }) => device === record.log.device && toHex(inc) === record.log.incarnation,
        )
        // What the remover cited, it knew, whatever heads it names.
        const knew = Math.max(
          -1,
          ...facts.flatMap((fact) =>
            logName(fact.log) === logName(record.log) && past.has(fact.hash) ? [fact.seq] : [],
          ),
        )
        if (record.seq > Math.max(head?.seq ?? -1, knew)) {
          yield `${seat.name} shows ${wordsOf(evidence, record)}, which the removal of ${body.user} does not cover`
        }
      }
    }
  }
}

/** Whether an operation has effect: everybody who knows it sees that its user is out, who was in by what its author knew. */
const isValid = (reference: Reference, hash: RecordHash): boolean => {
  const fact = reference.facts.find((one) => one.hash === hash)
  if (fact?.body.kind !== 'remove') return false
  const { past } = fact
  const after = { size: past.size + 1, has: (other: RecordHash) => other === hash || past.has(other) }
  const user = fact.body.user as UserName
  if (!reference.couldBeMember(user, past)) return false // who left by itself is not put out by whoever says so
  return !reference.couldBeMember(user, after) && !reference.isHidden(asKnown(reference, hash))
}
const asKnown = ({ records }: Reference, hash: RecordHash): Known => {
  const known = records.find((record) => record.hash === hash)
  if (known === undefined) throw new Error('a fact that nobody holds')
  return known
}
/** Whether nobody brought the user back who knew of it. */
const isFinal = ({ facts }: Reference, hash: RecordHash): boolean => {
  const removal = facts.find((fact) => fact.hash === hash)
  if (removal?.body.kind !== 'remove') return false
  const { user } = removal.body
  return !facts.some(
    ({ body, user: author, past }) =>
      past.has(hash) &&
      (((body.kind === 'invite' || body.kind === 'grant') && body.user === user) ||
        (body.kind === 'join' && author === user)),
  )
}

/** (5) Numbers from 0 without a gap, each record naming the one before; who signs two with one number is known to all. */
export function* chainsAndForks(evidence: Evidence, reference: Reference): Generator<string> {
  const { members, room } = reference
  const known = evidence.known.get(room)
  for (const witness of members) {
    const { seat, rooms } = witness
    const logs = Map.groupBy(
      [...(rooms.get(room)?.keys() ?? [])].flatMap((hash) => known?.get(hash) ?? []),
      ({ log }) => logName(log),
    )
    for (const chain of logs.values()) {
      chain.sort((a, b) => a.seq - b.seq)
      for (const [index, record] of chain.entries()) {
        if (record.seq !== index) yield `${seat.name} has a gap before ${wordsOf(evidence, record)}`
        const before = chain[index - 1]
        const prev = before === undefined ? new Uint8Array(32) : fromHex(before.hash)
        if (Buffer.compare(record.header.prev, prev) !== 0)
          yield `${seat.name} has a broken chain at ${wordsOf(evidence, record)}`
      }
    }
  }
  for (const { room: place, a, b } of evidence.world.journal.equivocations) {
    if (place !== room) continue
    const came = [a, b].every((hash) => members.some((witness) => holds(witness, hash)))
    if (!came) continue
    for (const witness of members) {
      const one = evidence.world.journal.signed.get(a)?.record
      const log =
        one === undefined
          ? ''
          : logName({
              device: evidence.world.seats[evidence.world.journal.signed.get(a)?.by ?? -1]?.peer ?? ('' as never),
              incarnation: one.incarnation,
            })
      const fork = forksHeldBy(witness.life, room).get(log)
      if (fork === undefined || fork > (one?.header.seq ?? 0)) {
        yield `${witness.seat.name} does not know that ${a.slice(0, 6)} and ${b.slice(0, 6)} have one number`
      }
    }
  }
}

const holds = (witness: Evidence['witnesses'][number], hash: RecordHash): boolean =>
  witness.life.stores.records.get(hash) !== null ||
  witness.life.drive.database.prepare('SELECT 1 FROM equivocations WHERE hash = ?').get(hash) !== undefined

/** (11) No honest device uses a number, or an index of a sender key, twice: of all records that ever left a house. */
export function* noIndexTwice({ world }: Evidence): Generator<string> {
  const numbers = new Map<string, RecordHash>()
  for (const [hash, { by, record }] of world.journal.signed) {
    const seat = world.seats[by]
    if (seat === undefined || seat.cast.evil) continue
    const { room, incarnation, header } = record
    const log = `${seat.name} ${room.slice(0, 6)}/${incarnation}`
    const uses = [`${log}, number ${header.seq}`]
    if (header.key !== undefined) uses.push(`${log}, epoch ${header.key.epoch}, index ${header.key.index}`)
    for (const use of uses) {
      const before = numbers.get(use)
      if (before !== undefined && before !== hash) yield `used twice: ${use}`
      numbers.set(use, hash)
    }
  }
}
