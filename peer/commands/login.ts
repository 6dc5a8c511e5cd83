import { systemClock } from '../../shared/clock.ts'
import { fault } from '../../shared/errors.ts'
import { systemRandom } from '../../shared/random.ts'
import { openKeystore, readProfile } from '../identity/keystore.ts'
import { listenAddresses } from '../settings.ts'
import { keyBitsOf, passphraseOf, secretOf } from './command.ts'
import { type JoinOptions, joinNetwork } from './join.ts'
import { showRekeyed } from './rekey.ts'
import { renewHome } from './renew.ts'

export type LoginOptions = JoinOptions & { readonly newKey?: boolean }

/**
 * By the password: a further device of a user, with an invite of the network; or, without one, this device once more,
 * which its key alone no longer brings in.
 */
export const login = async (inviteText: string | undefined, options: LoginOptions): Promise<void> => {
  if (inviteText !== undefined) {
    if (options.newKey === true)
      throw fault('input-invalid', '--new-key is for a device that has joined: without an invite')
    await joinNetwork(inviteText, 'further-device', options)
    return
  }
  const { user } = await readProfile(options.home) // whoever has not joined needs an invite, and is told so
  if (options.user !== undefined && options.user !== user) {
    throw fault('input-invalid', `this device is ${user}'s; a device of ${options.user} has another --home`)
  }
  const keyBits = keyBitsOf(options.keyBits)
  const passphrase = await passphraseOf(options, 'open')
  const keystore = await openKeystore(options.home, passphrase)
  const password = await secretOf({
    file: options.passwordFile,
    environment: process.env.LANYARD_PASSWORD,
    question: `Password of ${user}`,
  })
  if (options.newKey !== true) {
    await renewHome(options, keystore, password)
    return
  }
  const { rekey } = await import('../identity/rekey.ts')
  const device = await rekey({
    home: options.home,
    keystore,
    passphrase,
    by: { kind: 'password', password },
    keyBits,
    listen: options.listen ?? (await listenAddresses(options.home)),
    clock: systemClock,
    random: systemRandom,
  })
  showRekeyed(options, keystore, device)
}
