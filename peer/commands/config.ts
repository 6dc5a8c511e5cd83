import { fault, isRefusal } from '../../shared/errors.ts'
import { FILE_AUTO_ACCEPT_BYTES } from '../../shared/limits.ts'
import { userNameOf } from '../../shared/user-name.ts'
import { readProfile } from '../identity/keystore.ts'
import { changeSettings, readSettings, type Settings } from '../settings.ts'
import { type Options, tell } from './command.ts'

/** One thing that a home may settle. */
type Setting = {
  /** @throws LanyardError `input-invalid` for what it does not take */
  read(value: string): Partial<Settings>
  /** As it is now, and what that means. */
  show(settings: Settings): readonly [value: string, words: string]
}

const number = (name: string, value: string, least: number): number => {
  const given = Number(value)
  if (value === '' || !Number.isFinite(given) || given < least) throw fault('input-invalid', `${name} takes a number`)
  return given
}

const SETTINGS: Readonly<Record<string, Setting>> = {
  strict: {
    read: (value) => {
      if (value !== 'on' && value !== 'off') throw fault('input-invalid', 'strict takes on or off')
      return { strict: value === 'on' }
    },
    show: ({ strict }) =>
      strict
        ? ['on ', 'no new session while the revocation list is stale']
        : ['off', 'a stale revocation list warns, and sessions go on'],
  },
  mdns: {
    read: (value) => {
      if (value !== 'on' && value !== 'off') throw fault('input-invalid', 'mdns takes on or off')
      return { mdns: value === 'on' }
    },
    show: ({ mdns }) =>
      mdns === false
        ? ['off', 'nobody is looked for by multicast, nor told of this device: give addresses with --peer']
        : ['on ', 'others are looked for, and told of this device, by multicast'],
  },
  'accept-mb': {
    read: (value) => ({ acceptMb: number('accept-mb', value, 0) }),
    show: ({ acceptMb = Math.round(FILE_AUTO_ACCEPT_BYTES / 1e6) }) => [
      String(acceptMb),
      acceptMb === 0 ? 'no file comes unasked' : 'files of up to so many MB come unasked',
    ],
  },
  'accept-from': {
    read: (value) => ({ acceptFrom: value === 'everybody' ? undefined : value.split(',').map(userIn) }),
    show: ({ acceptFrom }) => [acceptFrom?.join(',') ?? 'everybody', 'whose files come unasked'],
  },
  'quota-mb': {
    read: (value) => ({ quotaMb: value === 'off' ? undefined : number('quota-mb', value, 0) }),
    show: ({ quotaMb }) => [quotaMb === undefined ? 'off' : String(quotaMb), 'MB that fetched files may take together'],
  },
  'limit-kb': {
    read: (value) => ({ limitKb: value === 'off' ? undefined : number('limit-kb', value, 1) }),
    show: ({ limitKb }) => [
      limitKb === undefined ? 'off' : String(limitKb),
      'KB a second that files may take, each way',
    ],
  },
}

const userIn = (name: string): string => {
  const user = userNameOf(name.trim().replace(/^@/, ''))
  if (isRefusal(user)) throw fault('input-invalid', `accept-from takes user names with commas, or everybody: ${name}`)
  return user
}

/** Shows what this home has settled, or settles one thing, for all starts from the next on. */
export const config = async (name: string | undefined, value: string | undefined, options: Options): Promise<void> => {
  await readProfile(options.home)
  const setting = name === undefined ? undefined : SETTINGS[name]
  if (name !== undefined && setting === undefined)
    throw fault('input-invalid', `there is no setting ${name}: ${Object.keys(SETTINGS).join(', ')}`)
  const settings =
    setting === undefined || value === undefined
      ? await readSettings(options.home)
      : await changeSettings(options.home, setting.read(value))
  const lines = Object.entries(SETTINGS).flatMap(([known, { show }]) => {
    if (name !== undefined && name !== known) return []
    const [now, words] = show(settings)
    return [`${name === undefined ? known.padEnd(11) : known}  ${now}  ${words}`]
  })
  const { strict, mdns, acceptMb, acceptFrom, quotaMb, limitKb } = settings
  tell(options, { strict, mdns, acceptMb, acceptFrom, quotaMb, limitKb }, lines.join('\n'))
}
