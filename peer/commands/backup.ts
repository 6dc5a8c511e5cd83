import { resolve } from 'node:path'
import { systemClock } from '../../shared/clock.ts'
import { systemRandom } from '../../shared/random.ts'
import { backUp } from '../backup/backup.ts'
import { restore as restoreHome } from '../backup/restore.ts'
import { readProfile } from '../identity/keystore.ts'
import { sizeOf } from '../terminal/lines.ts'
import { type Options, passphraseOf, tell } from './command.ts'

/** `backup FILE`: this device in one sealed file, while its peer runs or not. */
export const backup = async (file: string, options: Options): Promise<void> => {
  const { home } = options
  await readProfile(home) // whoever has not joined is told so before a passphrase is asked for
  const passphrase = await passphraseOf(options, 'open')
  const bytes = await backUp({ home, file, passphrase, clock: systemClock, random: systemRandom })
  const text = `All of this device is in ${file} (${sizeOf(bytes)}), sealed by its passphrase. Files that were fetched are not in it.`
  tell(options, { event: 'backed-up', file: resolve(file), bytes }, text)
}

/** `restore FILE`: into a home that has no profile. */
export const restore = async (file: string, options: Options): Promise<void> => {
  const { home } = options
  const { profile, madeAt } = await restoreHome(home, file, await passphraseOf(options, 'open'))
  const { user, networkName } = profile
  const made = new Date(madeAt).toISOString()
  tell(
    options,
    { event: 'restored', user, network: networkName, made },
    [
      `${home} is ${user}'s device in “${networkName}” again, as it was at ${made}. What was said since comes from the others.`,
      'If the device that the backup is of runs elsewhere, stop that one for good: of two with one key the others reach one at a time.',
    ].join('\n'),
  )
}
