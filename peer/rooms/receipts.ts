import {
  RECEIPT_CALM_DEVICES,
  RECEIPT_HELD_MS,
  RECEIPT_READ_MS,
  RECEIPT_READERS_MAX,
  RECEIPT_SOON_MS,
} from '../../shared/limits.ts'

// When a device owes its room a receipt. What was read is told soon, in one receipt for all that is read within seconds;
// what is merely held is told late, since sync and the live hints have told it to all who are present: a receipt tells it
// to those who are not, and is the evidence against who writes into the past with a stolen key.
// A receipt is no reason for a receipt, and nothing new is none either. In a large room what each message brings about must
// not grow with the room: receipts come the more rarely the more devices there are; three that tell what is held spare the
// others theirs; and who reads what is told among up to 32 devices only.

/** Who is in a room, as far as receipts go. */
export type Company = {
  /** All devices that may read, ours included. */
  readonly devices: number
  /** Those of our own user. */
  readonly ours: number
}

/** What was not told yet: since when, milliseconds since the epoch, or null for nothing. */
export type Owed = { readonly readSince: number | null; readonly heldSince: number | null }

/**
 * When the next receipt of a room is due, milliseconds since the epoch; null: none is owed.
 * @param last when the last one was written, or null
 * @param chance from 0 to 1, drawn once for each time something is owed: in a large room not all witnesses come at once
 */
export const receiptDue = (owed: Owed, company: Company, last: number | null, chance: number): number | null => {
  const calm = Math.max(1, company.devices / RECEIPT_CALM_DEVICES)
  const after = last ?? Number.NEGATIVE_INFINITY
  const read =
    owed.readSince === null ? null : Math.max(owed.readSince + RECEIPT_SOON_MS, after + RECEIPT_READ_MS * calm)
  const wait = RECEIPT_HELD_MS * (isLarge(company) ? calm * (0.5 + chance) : 1)
  const held = owed.heldSince === null ? null : Math.max(owed.heldSince, after) + wait
  if (read === null || held === null) return read ?? held
  return Math.min(read, held)
}

/** Whether what our user has read is told in a room: to its users where they are few, else to our own other devices. */
export const tellsReads = ({ devices, ours }: Company): boolean => devices <= RECEIPT_READERS_MAX || ours > 1

/** Whether others' receipts for a record spare ours. */
export const isLarge = ({ devices }: Company): boolean => devices > RECEIPT_CALM_DEVICES
