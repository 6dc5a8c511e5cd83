import { systemClock } from '../../shared/clock.ts'
import { fault, LanyardError } from '../../shared/errors.ts'
import { systemRandom } from '../../shared/random.ts'
import { contactOf } from '../identity/ca-line.ts'
import { changePassphrase, openKeystore, readProfile } from '../identity/keystore.ts'
import { isAsked } from '../identity/successor.ts'
import { databasePath, openDatabase } from '../store/database.ts'
import { type Options, passphraseOf, secretOf, tell } from './command.ts'

export type PasswdOptions = Options & {
  readonly passphrase?: boolean
  readonly passwordFile?: string
  readonly newPasswordFile?: string
  readonly newPassphraseFile?: string
}

/** Changes the user's password at the CA, or the passphrase that seals the key of this device. */
export const passwd = async (options: PasswdOptions): Promise<void> => {
  const { user } = await readProfile(options.home)
  await (options.passphrase === true ? changeOfPassphrase(options) : changeOfPassword(options, user))
}

const changeOfPassword = async (options: PasswdOptions, user: string): Promise<void> => {
  const keystore = await openKeystore(options.home, await passphraseOf(options, 'open'))
  const { key, profile } = keystore
  const password = await secretOf({
    file: options.passwordFile,
    environment: process.env.LANYARD_PASSWORD,
    question: `Present password of ${user}`,
  })
  const newPassword = await secretOf({
    file: options.newPasswordFile,
    environment: process.env.LANYARD_NEW_PASSWORD,
    question: 'New password',
    isNew: true,
  })
  const [{ createNode }, { changePassword }] = await Promise.all([
    import('../../shared/network/node.ts'),
    import('../identity/password.ts'),
  ])
  const node = await createNode({ key, listen: [] })
  try {
    const parts = { node, ca: contactOf(keystore), clock: systemClock }
    const refusal = await changePassword(parts, { user: profile.user, password, newPassword })
    if (refusal !== null) throw new LanyardError(refusal)
  } finally {
    await node.stop()
  }
  tell(
    options,
    { event: 'password-changed', user },
    `${user} has a new password. Devices that have joined stay as they are.`,
  )
}

const changeOfPassphrase = async (options: PasswdOptions): Promise<void> => {
  const keystore = await openKeystore(options.home, await passphraseOf(options, 'open'))
  const passphrase = await secretOf({
    file: options.newPassphraseFile,
    environment: process.env.LANYARD_NEW_PASSPHRASE,
    question: 'New passphrase, to seal the key of this device',
    isNew: true,
  })
  const database = openDatabase(databasePath(options.home)) // ours alone: nobody changes the key meanwhile
  try {
    if (await isAsked(options.home))
      throw fault('rekey-cut-off', 'the key that waits is sealed under the old passphrase')
    await changePassphrase(options.home, keystore, { passphrase, random: systemRandom })
  } finally {
    database.close()
  }
  tell(options, { event: 'passphrase-changed' }, 'The key of this device is sealed under the new passphrase.')
}
