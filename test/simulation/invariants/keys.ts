import { isRefusal } from '../../../shared/errors.ts'
import { toEpoch, toHex } from '../../../shared/ids.ts'
import { DAY_MS, EPOCH_MESSAGES } from '../../../shared/limits.ts'
import { senderKeyBodyCodec } from '../../../shared/wire/bodies.ts'
import { type Evidence, logName, wordsOf } from '../evidence.ts'
import type { Reference } from '../reference.ts'

/** (7) All who have the key of a message have the same, and all who are at one place of a sender key's chain have the same. */
export function* oneSecret(evidence: Evidence, { room, members, records }: Reference): Generator<string> {
  for (const record of records) {
    if (record.header.kind !== 'message') continue
    const keys = new Set<string>()
    for (const { rooms, life } of members) {
      if (rooms.get(room)?.get(record.hash)?.readable !== true) continue
      const key = life.stores.records.get(record.hash)?.key
      if (key != null) keys.add(toHex(key))
    }
    if (keys.size > 1) yield `${wordsOf(evidence, record)} has ${keys.size} keys`
  }
  const chains = new Map<string, string>()
  const epochs = new Map(
    records.flatMap(({ log, header }) =>
      header.key === undefined
        ? []
        : [[`${logName(log)}/${header.key.epoch}`, { log, epoch: toEpoch(header.key.epoch) }]],
    ),
  )
  for (const { life } of members) {
    for (const [name, { log, epoch }] of epochs) {
      const chain = life.stores.keys.chain(log.room, log.device, log.incarnation, epoch)
      if (chain === null || chain.chain.byteLength === 0) continue
      const place = `${name}/${chain.nextIndex}`
      const key = toHex(chain.chain)
      if ((chains.get(place) ?? key) !== key) yield `two chains at ${evidence.nameOf(log.device)}, epoch ${epoch}`
      chains.set(place, key)
    }
  }
}

/** (10) A sender key is made anew for a reason: somebody comes or goes, a day is over, it is used up, or it is asked for. */
export function* fewRotations(evidence: Evidence, { room, records, facts }: Reference): Generator<string> {
  const { world, seatOf } = evidence
  const users = new Set(world.seats.map(({ user }) => user)).size
  const days = Math.ceil(world.now / DAY_MS)
  const { rekeys, revoked } = world.journal
  for (const [name, ofLog] of Map.groupBy(records, ({ log }) => logName(log))) {
    const [first] = ofLog
    if (first === undefined || world.seats[seatOf(first.log.device)]?.cast.evil !== false) continue
    const keys = ofLog.filter(({ header }) => header.kind === 'sender-key')
    const epochs = new Set(
      keys.flatMap(({ body }) => {
        const said = senderKeyBodyCodec.decode(body ?? new Uint8Array())
        return isRefusal(said) ? [] : [said.epoch]
      }),
    )
    const messages = ofLog.filter(({ header }) => header.kind === 'message').length
    const most = 1 + facts.length + users + revoked.size + rekeys + days + Math.floor(messages / EPOCH_MESSAGES)
    if (epochs.size > most) {
      yield `${evidence.nameOf(first.log.device)} made ${epochs.size} sender keys in ${room.slice(0, 6)}/${name.slice(-4)}, at most ${most} expected`
    }
  }
}
