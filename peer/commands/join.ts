import { text } from '@clack/prompts'
import { systemClock } from '../../shared/clock.ts'
import { fault, isRefusal, orThrow } from '../../shared/errors.ts'
import { parseInvite } from '../../shared/invite.ts'
import { CA_SEARCH_MS } from '../../shared/limits.ts'
import { networkCode, parseNetworkCode } from '../../shared/network-code.ts'
import { systemRandom } from '../../shared/random.ts'
import { userNameOf } from '../../shared/user-name.ts'
import type { Introduction, JoinOrder } from '../identity/join.ts'
import { isWaiting } from '../identity/waiting.ts'
import { listenAddresses, rememberPort } from '../settings.ts'
import { ask, keyBitsOf, type Options, passphraseOf, secretOf, tell } from './command.ts'

export type JoinOptions = Options & {
  readonly user?: string
  readonly passwordFile?: string
  readonly keyBits?: string
  readonly mdns?: boolean
}

/** Enrols this device: of a new user, or as a further one of a user. */
export const joinNetwork = async (inviteText: string, as: JoinOrder['as'], options: JoinOptions): Promise<void> => {
  const invite = await introductionOf(inviteText, options)
  const keyBits = keyBitsOf(options.keyBits)
  const user = orThrow(userNameOf(options.user ?? (await ask('User name', (message) => text({ message })))))
  const password = await secretOf({
    file: options.passwordFile,
    environment: process.env.LANYARD_PASSWORD,
    question: as === 'new-user' ? 'A password, for enrolling further devices' : `Password of ${user}`,
    isNew: as === 'new-user',
  })
  const waits = await isWaiting({ home: options.home, as, user, invite })
  const passphrase = await passphraseOf(options, waits ? 'open' : 'new')
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

/** What an invite says; or, of a network code, what the CA says that is near and proves it. */
const introductionOf = async (text: string, { mdns }: JoinOptions): Promise<Introduction> => {
  const pin = /^\s*lanyard:/i.test(text) ? null : parseNetworkCode(text)
  if (pin === null || isRefusal(pin)) return orThrow(parseInvite(text))
  if (mdns === false) {
    throw fault('input-invalid', 'a network code needs multicast, which --no-mdns forbids: give an invite')
  }
  const { searchCas } = await import('../identity/find-cas.ts')
  await using search = await searchCas(systemClock)
  await new Promise((resolve) => setTimeout(resolve, CA_SEARCH_MS))
  for (const ca of search.found()) {
    const networkName = await search.prove(ca, pin)
    if (!isRefusal(networkName)) return { ...ca, pin, networkName }
  }
  throw fault('unreachable', `no CA near this device is that of ${networkCode(pin).slice(0, 9)}…`)
}
