import type { CertificateHash, Incarnation, PeerId, RoomId } from '../../shared/ids.ts'
import { type Database, integer, text } from './database.ts'
import type { LogId } from './log-id.ts'

/**
 * Rooms, authors and logs have long names, which every record would repeat in its row and in three indexes; rows hold small
 * numbers that stand for them, of this database alone. A fifth of the file was names (a message of 200 bytes takes 1.6 KB of it).
 */
export type Names = {
  /** The number of a room or an author; a new name gets one, within the transaction that is open. */
  give(name: RoomId | CertificateHash): number
  /** … or 0, which no name has: nothing here is called that. */
  find(name: RoomId | CertificateHash): number
  name(number: number): string
  /** The same of logs. */
  giveLog(log: LogId): number
  findLog(log: LogId): number
  log(number: number): LogId
}

const NOBODY = 0

export const createNames = (database: Database): Names => {
  const add = database.prepare('INSERT INTO names (name) VALUES (?)')
  const byName = database.prepare('SELECT number FROM names WHERE name = ?')
  const byNumber = database.prepare('SELECT name FROM names WHERE number = ?')
  const addLog = database.prepare('INSERT INTO logs (room, device, inc) VALUES (?, ?, ?)')
  const logByName = database.prepare('SELECT number FROM logs WHERE room = ? AND device = ? AND inc = ?')
  const logByNumber = database.prepare('SELECT room, device, inc FROM logs WHERE number = ?')

  const numbers = new Map<string, number>()
  const names = new Map<number, string>()
  const logNumbers = new Map<string, number>()
  const logs = new Map<number, LogId>()
  database.onRollback(() => {
    for (const known of [numbers, names, logNumbers, logs]) known.clear() // a number may go to another name now
  })

  const find: Names['find'] = (name) => {
    const known = numbers.get(name)
    if (known !== undefined) return known
    const row = byName.get(name)
    if (row === undefined) return NOBODY
    const number = integer(row.number)
    numbers.set(name, number)
    return number
  }
  const give: Names['give'] = (name) => {
    const known = find(name)
    if (known !== NOBODY) return known
    const number = Number(add.run(name).lastInsertRowid)
    numbers.set(name, number)
    return number
  }
  const nameOf = (number: number): string => {
    const known = names.get(number) ?? text(byNumber.get(number)?.name)
    names.set(number, known)
    return known
  }
  const findLog: Names['findLog'] = (log) => {
    const key = keyOf(log)
    const known = logNumbers.get(key)
    if (known !== undefined) return known
    const row = logByName.get(find(log.room), log.device, log.incarnation)
    if (row === undefined) return NOBODY
    const number = integer(row.number)
    logNumbers.set(key, number)
    return number
  }
  return {
    give,
    find,
    name: nameOf,
    giveLog: (log) => {
      const known = findLog(log)
      if (known !== NOBODY) return known
      const number = Number(addLog.run(give(log.room), log.device, log.incarnation).lastInsertRowid)
      logNumbers.set(keyOf(log), number)
      return number
    },
    findLog,
    log: (number) => {
      const known = logs.get(number)
      if (known !== undefined) return known
      const row = logByNumber.get(number)
      const log: LogId = {
        room: nameOf(integer(row?.room)) as RoomId,
        device: text(row?.device) as PeerId,
        incarnation: text(row?.inc) as Incarnation,
      }
      logs.set(number, log)
      return log
    },
  }
}

const keyOf = ({ room, device, incarnation }: LogId): string => `${room}/${device}/${incarnation}`
