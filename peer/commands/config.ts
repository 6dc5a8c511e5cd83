import { fault } from '../../shared/errors.ts'
import { readProfile } from '../identity/keystore.ts'
import { changeSettings, readSettings } from '../settings.ts'
import { type Options, tell } from './command.ts'

/** Shows what this home has settled, or settles one thing, for all starts from the next on. */
export const config = async (name: string | undefined, value: string | undefined, options: Options): Promise<void> => {
  await readProfile(options.home)
  if (name !== undefined && name !== 'strict') throw fault('input-invalid', `there is no setting ${name}: strict`)
  if (name !== undefined && value !== 'on' && value !== 'off') throw fault('input-invalid', 'strict takes on or off')
  const { strict } =
    name === undefined
      ? await readSettings(options.home)
      : await changeSettings(options.home, { strict: value === 'on' })
  const words = strict
    ? 'no new session while the revocation list is stale'
    : 'a stale revocation list warns, and sessions go on'
  tell(options, { strict }, `strict  ${strict ? 'on ' : 'off'}  ${words}`)
}
