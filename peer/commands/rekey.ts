import { dateText } from '../../shared/certificate/link.ts'
import { spkiOf } from '../../shared/certificate/rsa-key.ts'
import type { VerifiedDevice } from '../../shared/certificate/verify.ts'
import { systemClock } from '../../shared/clock.ts'
import { peerIdOfSpki } from '../../shared/network/peer-id.ts'
import { systemRandom } from '../../shared/random.ts'
import type { Keystore } from '../identity/identity-files.ts'
import { openKeystore, readProfile } from '../identity/keystore.ts'
import { isAsked } from '../identity/successor.ts'
import { listenAddresses } from '../settings.ts'
import { keyBitsOf, type Options, passphraseOf, tell } from './command.ts'

export type RekeyOptions = Options & { readonly keyBits?: string }

/** Gives this device a new key; one that was cut off before is ended, and no other made. */
export const rekey = async (options: RekeyOptions): Promise<void> => {
  await readProfile(options.home)
  const keyBits = keyBitsOf(options.keyBits)
  const passphrase = await passphraseOf(options, 'open')
  const keystore = await openKeystore(options.home, passphrase)
  const { rekey: begin, resumeRekey } = await import('../identity/rekey.ts')
  const change = (await isAsked(options.home)) ? resumeRekey : begin
  const device = await change({
    home: options.home,
    keystore,
    passphrase,
    by: { kind: 'old-key' },
    keyBits,
    listen: options.listen ?? (await listenAddresses(options.home)),
    clock: systemClock,
    random: systemRandom,
  })
  showRekeyed(options, keystore, device)
}

export const showRekeyed = (options: Options, { key }: Keystore, { peerId, notAfter, user }: VerifiedDevice): void => {
  const before = peerIdOfSpki(spkiOf(key))
  tell(
    options,
    { event: 'rekeyed', user, before, device: peerId, until: new Date(notAfter).toISOString() },
    `This device of ${user} has a new key, and is ${peerId} now, until ${dateText(notAfter)}. The old key is out of use.`,
  )
}
