import { systemClock } from '../../shared/clock.ts'
import { fault } from '../../shared/errors.ts'
import { verifyAudit, writeAudit } from '../audit.ts'
import { openAlone } from '../database.ts'
import { readServerAddress } from '../database-address.ts'
import { findPlace, hasPlace, remember, setOwner } from '../database-place.ts'
import { copyRows } from '../database-rows.ts'
import { fillServer } from '../database-server.ts'
import { createHighWater } from '../high-water.ts'
import { readCaIdentity } from '../root-key.ts'
import { type Options, serverOf, tell } from './command.ts'

export type MoveOptions = Options & { readonly to?: string }

/** The database from the file to a server: all of it, compared row by row, or nothing. The file stays as it was. */
export const move = async (options: MoveOptions): Promise<void> => {
  const { home } = options
  const now = systemClock.now()
  const { anchor } = await readCaIdentity(home, now)
  const place = await findPlace(home, undefined)
  if (place.kind === 'server')
    throw fault('input-invalid', 'it is on a server already: backup, then restore --database')
  if (!(await hasPlace(place))) throw fault('database-missing')
  const to = options.to ?? serverOf(options)
  if (to === undefined) throw fault('input-missing', '--to postgres://…')
  const address = readServerAddress(to)
  const mark = await createHighWater(home).read()
  let rows = 0
  const source = openAlone(place.path)
  try {
    await fillServer(address, {
      fill: async (transaction) => {
        rows = await copyRows(source, transaction)
        const verdict = await verifyAudit(transaction, mark)
        if (verdict.kind === 'broken') throw fault('audit-broken', `row ${verdict.row}: ${verdict.why}`)
        await setOwner(transaction, anchor.network)
        await writeAudit(transaction, { time: now, event: 'moved', subject: address.bare, detail: `${rows} rows` })
      },
    })
    await remember(home, address)
  } finally {
    await source.destroy()
  }
  const text = [
    `${rows} rows are in ${address.bare}: each was read back, and is as it was.`,
    `Every command finds them there from now on. ${place.path} stays as it is, and is not used any more.`,
  ]
  tell(options, { moved: rows, to: address.bare }, text.join('\n'))
}
