import { setImmediate } from 'node:timers/promises'
import type { RevocationList } from '../../shared/certificate/revocation-list.ts'
import {
  CERTIFICATE_LIFETIME_MAX_MS,
  CRL_ENTRY_KEPT_MS,
  CRL_JUMP_NUMBERS,
  CRL_SLICE_ENTRIES,
  KEPT_LISTS_MAX,
} from '../../shared/limits.ts'

// A revocation is for ever. But a CA that was put back from a backup makes lists that forget what it has revoked since; it
// leaves out many numbers then (CRL_JUMP_NUMBERS). So a list is kept beside a newest one that is so far ahead of it
// and forgets some of it: it is still in force here, and goes to everybody, until a list has come that says all of it.

/** Which of the older lists are still to be kept beside the newest: the latest of those that say more. */
export const stillKept = async (
  older: readonly RevocationList[],
  newest: RevocationList,
  now: number,
): Promise<readonly RevocationList[]> => {
  const kept: RevocationList[] = []
  for (const list of older.toSorted((a, b) => b.number - a.number)) {
    if (kept.length < KEPT_LISTS_MAX && isFarBehind(list, newest) && (await saysMore(list, [newest, ...kept], now))) {
      kept.push(list)
    }
  }
  return kept
}

const isFarBehind = (list: RevocationList, newest: RevocationList): boolean =>
  newest.number - list.number >= CRL_JUMP_NUMBERS

/** Whether somebody is out by it whom the others forget, and whose certificate may still be good; in turns with other work. */
const saysMore = async (list: RevocationList, others: readonly RevocationList[], now: number): Promise<boolean> => {
  let count = 0
  for (const { serial, date } of list.entries()) {
    // RFC 5280 §3.3: an entry may go once its certificate has ended. None lasts longer than that.
    const isOver = now > date + CERTIFICATE_LIFETIME_MAX_MS + CRL_ENTRY_KEPT_MS
    if (!isOver && others.every((other) => other.find(serial) === undefined)) return true
    count += 1
    if (count % CRL_SLICE_ENTRIES === 0) await setImmediate()
  }
  return false
}
