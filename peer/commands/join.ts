import { text } from '@clack/prompts'
import { systemClock } from '../../shared/clock.ts'
import { orThrow } from '../../shared/errors.ts'
import { parseInvite } from '../../shared/invite.ts'
import { systemRandom } from '../../shared/random.ts'
import { userNameOf } from '../../shared/user-name.ts'
import type { JoinOrder } from '../identity/join.ts'
import { listenAddresses, rememberPort } from '../settings.ts'
import { ask, keyBitsOf, type Options, passphraseOf, secretOf, tell } from './command.ts'

export type JoinOptions = Options & {
  readonly user?: string
  readonly passwordFile?: string
  readonly keyBits?: string
}

/** Enrols this device: of a new user, or as a further one of a user. */
export const joinNetwork = async (inviteText: string, as: JoinOrder['as'], options: JoinOptions): Promise<void> => {
  const invite = orThrow(parseInvite(inviteText))
  const keyBits = keyBitsOf(options.keyBits)
  const user = orThrow(userNameOf(options.user ?? (await ask('User name', (message) => text({ message })))))
  const password = await secretOf({
    file: options.passwordFile,
    environment: process.env.LANYARD_PASSWORD,
    question: as === 'new-user' ? 'A password, for enrolling further devices' : `Password of ${user}`,
    isNew: as === 'new-user',
  })
  const passphrase = await passphraseOf(options, 'new')
  const { join } = await import('../identity/join.ts') // with libp2p, which nobody waits for who only starts or asks
  const joined = await join({
    home: options.home,
    invite,
    as,
    user,
    password,
    passphrase,
    keyBits,
    clock: systemClock,
    random: systemRandom,
    listen: options.listen ?? (await listenAddresses(options.home)),
  })
  await rememberPort(options.home, joined.addresses)
  const { network, device } = joined
  const words =
    as === 'new-user' ? `${user} has joined “${network}”` : `this device is one of ${user}'s in “${network}” now`
  tell(options, { event: 'joined', user, network, device }, `${words}. Now: npm run peer`)
}
