import { orThrow } from '../../shared/errors.ts'
import { formatInvite } from '../../shared/invite.ts'
import { HOUR_MS } from '../../shared/limits.ts'
import { systemRandom } from '../../shared/random.ts'
import { userNameOf } from '../../shared/user-name.ts'
import { createInvites } from '../invites.ts'
import { inviteText } from '../operator.ts'
import { atDesk, type Options, print } from './command.ts'

export type InviteOptions = Options & { readonly count: string; readonly ttl: string; readonly for?: string }

/** Makes invites. */
export const invite = (options: InviteOptions): Promise<void> =>
  atDesk(options, async ({ identity, registry, now }) => {
    const bound = options.for === undefined ? {} : { forName: orThrow(userNameOf(options.for)) }
    const order = { count: Number(options.count), lifetimeMs: Number(options.ttl) * HOUR_MS, now, ...bound }
    const invites = await createInvites({ identity, registry, random: systemRandom }, order)
    if (options.json === true) {
      const list = invites.map((one) => ({
        invite: formatInvite(one),
        expires: new Date(one.expires).toISOString(),
        ...(options.for === undefined ? {} : { for: options.for }),
      }))
      print(JSON.stringify({ invites: list }))
    } else if (invites.length > 1) print(invites.map(formatInvite).join('\n'))
    else for (const one of invites) print(await inviteText(one, process.stdout.isTTY === true))
  })
