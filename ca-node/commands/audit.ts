import { setTimeout } from 'node:timers/promises'
import { fault } from '../../shared/errors.ts'
import { SECOND_MS } from '../../shared/limits.ts'
import { type ChainedRow, lastAudit, readAudit, verifyAudit } from '../audit.ts'
import { table, timeText } from '../tables.ts'
import { atDesk, type Options, print, tell } from './command.ts'

/** The newest rows of the audit, and with `follow` all that come, until Ctrl-C. */
export const showAudit = (options: Options & { readonly lines: string; readonly follow?: boolean }): Promise<void> =>
  atDesk(options, async ({ database }) => {
    const lines = Number(options.lines)
    if (!Number.isInteger(lines) || lines < 0) throw fault('input-invalid', '--lines takes a number')
    const stop = new AbortController()
    if (options.follow === true) process.once('SIGINT', () => stop.abort())
    let rows = await lastAudit(database, lines)
    // After those that are shown, not after the newest by now: none that comes in between is left out.
    let last = (rows.at(-1) ?? (await lastAudit(database, 1))[0])?.id ?? 0
    for (;;) {
      if (rows.length > 0) print(options.json === true ? rows.map(asJson).join('\n') : table(rows.map(cellsOf)))
      if (options.follow !== true || stop.signal.aborted) return
      await setTimeout(SECOND_MS / 2, undefined, stop).catch(() => undefined)
      rows = await readAudit(database, last, PAGE)
      last = rows.at(-1)?.id ?? last
    }
  })

/** Follows the chain of hashes. @throws LanyardError `audit-broken` */
export const checkAudit = (options: Options): Promise<void> =>
  atDesk(options, async ({ database, highWater }) => {
    const verdict = await verifyAudit(database, await highWater.read())
    if (verdict.kind === 'broken') {
      if (options.json === true) tell(options, verdict, '')
      throw fault('audit-broken', `row ${verdict.row}: ${verdict.why}`)
    }
    tell(options, verdict, `The audit is intact: ${verdict.rows} rows, the last with hash ${verdict.head}`)
  })

const PAGE = 1_000

const asJson = (row: ChainedRow): string => JSON.stringify({ ...row, time: new Date(row.time).toISOString() })

const cellsOf = ({ id, time, event, subject, detail }: ChainedRow) => [
  String(id),
  timeText(time),
  event,
  subject,
  detail,
]
