import { type ParsedRecord, parseRecord, parseWire } from '../../../peer/log/record.ts'
import { blob } from '../../../peer/store/database.ts'
import { isRefusal, orThrow } from '../../../shared/errors.ts'
import type { RecordHash } from '../../../shared/ids.ts'
import { createChance } from '../chance.ts'
import { type Evidence, type Witness, wordsOf } from '../evidence.ts'
import type { Reference } from '../reference.ts'

const ROUNDS = 4 // what waited for a certificate is brought again

/** (6) Who gets all records in any order, some of them twice, comes to the same as those who lived through it. */
export async function* anyOrder(evidence: Evidence, references: readonly Reference[]): AsyncGenerator<string> {
  const { world } = evidence
  const chance = createChance(`order ${world.plan.seed}`)
  const able = evidence.witnesses.filter(({ number }) =>
    references.some(({ kind, members }) => kind === 'founded' && members.some((one) => one.number === number)),
  )
  if (able.length === 0) return
  const model = chance.pick(able)
  const observer = await world.observer(model.seat)
  const { life } = observer
  if (life === null) throw new Error('the observer did not start')
  const list = model.life.revocations.der()
  const records = recordsOf(evidence, model)
  const sequence = chance.shuffled([...records, ...records.filter(() => chance.odds(0.2))])
  const listAt = chance.below(sequence.length)
  for (let round = 0; round < ROUNDS; round++) {
    for (let index = 0; index < sequence.length; index += SLICE) {
      if (round === 0 && index <= listAt && listAt < index + SLICE && list !== null) {
        await world.at(observer, 'list', () => life.revocations.take(list))
      }
      const some = sequence.slice(index, index + SLICE)
      await world.at(observer, `take ${some.length}`, () => Promise.all(some.map(life.core.ingest.take)))
    }
  }
  for (const reference of references) {
    if (reference.members.some(({ number }) => number === model.number))
      yield* compared(evidence, reference, model, life)
  }
  await observer.end('kill')
}

const SLICE = 8

/** All that a device holds: the records of its logs, the proofs of forks, and what lies beyond them and is cited. */
const recordsOf = (evidence: Evidence, model: Witness): ParsedRecord[] => {
  const { database } = model.life.drive
  const beside = database.prepare('SELECT wire FROM equivocations UNION SELECT wire FROM void_facts').all()
  return [
    ...[...model.rooms].flatMap(([, held]) =>
      [...held.keys()].map((hash) => {
        const wire = model.life.stores.records.wire(hash)
        const record = wire === null ? null : parseWire(wire)
        if (record === null || isRefusal(record)) throw new Error(`${evidence.nameOf(model.seat.peer)} holds no record`)
        return record
      }),
    ),
    ...beside.map(({ wire }) => orThrow(parseRecord(blob(wire)))),
  ]
}

function* compared(
  evidence: Evidence,
  reference: Reference,
  model: Witness,
  life: NonNullable<Evidence['witnesses'][number]['life']>,
): Generator<string> {
  const { room, records } = reference
  if (records.length === 0) return
  const [had, has] = [model.life, life].map(({ core }) => {
    const { members, ...facts } = core.rooms.get(room)?.facts() ?? { members: null }
    return JSON.stringify([[...(members ?? [])], facts])
  })
  if (had !== has) yield `in another order the room is ${has}, and to ${model.seat.name} it is ${had}`
  const hidden = life.drive.database.prepare('SELECT hidden FROM named_records WHERE hash = ?')
  for (const record of records) {
    const held = model.rooms.get(room)?.get(record.hash)
    const row = hidden.get(record.hash as RecordHash)
    if (held === undefined) continue
    const fork = model.life.core.log.fork(record.log)
    // Of two with one number the other one may have come first.
    if (row === undefined && fork !== null && record.seq >= fork) continue
    if (row === undefined) yield `in another order ${wordsOf(evidence, record)} is not taken`
    else if ((row.hidden === 1) !== held.hidden) {
      yield `in another order ${wordsOf(evidence, record)} ${held.hidden ? 'counts' : 'does not count'}`
    }
  }
}
