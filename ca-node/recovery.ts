import { z } from 'zod'
import { writeAudit } from './audit.ts'
import type { Database, Transaction } from './database.ts'

// After a restore the database does not know which lists this CA has made since the backup. Its devices do.

export type Recovery = {
  /** When the database was put back, milliseconds since the Unix epoch. */
  readonly at: number
  /** Lists that this CA may have made and doesn't know have numbers above `after`, up to `until`. */
  readonly after: number
  readonly until: number
  /** Whether the devices have been asked for them, once, before the first list. */
  readonly asked: boolean
  /** Users whom a list has disabled: for the operator to look at. */
  readonly disabled: readonly string[]
}

const shape = z.strictObject({
  at: z.int(),
  after: z.int().nonnegative(),
  until: z.int().nonnegative(),
  asked: z.boolean(),
  disabled: z.array(z.string()),
})

const NAME = 'recovery'

/** Null when this database was never put back. */
export const readRecovery = async (database: Pick<Database, 'selectFrom'>): Promise<Recovery | null> => {
  const row = await database.selectFrom('settings').select('value').where('name', '=', NAME).executeTakeFirst()
  return row === undefined ? null : shape.parse(JSON.parse(row.value))
}

export const writeRecovery = async (transaction: Transaction, recovery: Recovery): Promise<void> => {
  await transaction.deleteFrom('settings').where('name', '=', NAME).execute()
  await transaction
    .insertInto('settings')
    .values({ name: NAME, value: JSON.stringify(recovery) })
    .execute()
}

/** The list of that number is known now, and with it all that it followed. */
export const noteAdopted = async (
  transaction: Transaction,
  number: number,
  disabled: readonly string[],
): Promise<void> => {
  const recovery = await readRecovery(transaction)
  if (recovery === null) return
  const after = number <= recovery.until ? Math.max(recovery.after, number) : recovery.after
  await writeRecovery(transaction, { ...recovery, after, disabled: [...recovery.disabled, ...disabled] })
}

export type Asked = {
  readonly time: number
  /** Devices that were dialed, that told what they hold, and revocations that came of it. */
  readonly asked: number
  readonly answered: number
  readonly revocations: number
}

/** The devices have been asked: the next start does not wait for them again. */
export const noteAsked = (database: Database, { time, asked, answered, revocations }: Asked): Promise<void> =>
  database.transaction().execute(async (transaction) => {
    const recovery = await readRecovery(transaction)
    if (recovery === null) return
    await writeRecovery(transaction, { ...recovery, asked: true })
    const detail = `${answered} of ${asked} devices answered, ${revocations} revocations taken over`
    await writeAudit(transaction, { time, event: 'asked', subject: 'devices', detail })
  })

/** Whether a list of that number says what this CA may not know. @param newest number of the newest list here */
export const isWanted = (number: number, newest: number, recovery: Recovery | null): boolean =>
  number > newest || isLost(number, recovery)

/** Whether a list of that number may have been made between the backup and the restore, and is not known here. */
export const isLost = (number: number, recovery: Recovery | null): boolean =>
  recovery !== null && number > recovery.after && number <= recovery.until
