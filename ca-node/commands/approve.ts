import { fault } from '../../shared/errors.ts'
import { approve as approveOne, listPending } from '../modes.ts'
import { table, timeText } from '../tables.ts'
import { atDesk, type Options, tell } from './command.ts'

/** Who waits for the operator's word. */
export const showPending = (options: Options): Promise<void> =>
  atDesk(options, async ({ database }) => {
    const pending = await listPending(database)
    const rows = pending.map(({ name, peerId, askedAt, approvedAt }) => [
      name,
      approvedAt === null ? 'waits' : 'approved',
      timeText(askedAt),
      peerId,
    ])
    const text = table([['USER', 'STATE', 'ASKED (UTC)', 'PEERID'], ...rows])
    tell(options, { pending }, pending.length === 0 ? 'Nobody waits.' : text)
  })

/** Lets somebody in who waits; where two ask for one name, the PeerId says which. */
export const approve = (name: string, options: Options & { readonly device?: string }): Promise<void> =>
  atDesk(options, async ({ database, now }) => {
    const asked = (await listPending(database)).filter((one) => one.name === name)
    const meant = options.device === undefined ? asked : asked.filter(({ peerId }) => peerId === options.device)
    const [one, other] = meant
    if (one === undefined) throw fault('no-such-user', `${name} does not wait for approval`)
    if (other !== undefined) {
      throw fault(
        'input-missing',
        `${meant.length} ask for that name: --device ${meant.map(({ peerId }) => peerId).join(' or ')}`,
      )
    }
    await approveOne(database, one, now)
    tell(
      options,
      { approved: one.name, peerId: one.peerId },
      `${one.name} gets in at the next try, from ${one.peerId}.`,
    )
  })
