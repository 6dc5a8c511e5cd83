import { fault, orThrow } from '../../shared/errors.ts'
import { passphraseFrom } from '../../shared/passphrase.ts'
import { systemRandom } from '../../shared/random.ts'
import { createPasswords } from '../passwords.ts'
import { openCaKeys } from '../root-key.ts'
import { table, timeText } from '../tables.ts'
import { atDesk, confirmed, type Options, passphraseSources, tell } from './command.ts'

/** Who has joined, a line a user. */
export const showUsers = (options: Options): Promise<void> =>
  atDesk(options, async ({ registry }) => {
    const users = await registry.users()
    const rows = users.map(({ name, createdAt, disabled, devices }) => {
      const live = devices.filter(({ revoked }) => !revoked).length
      return [name, timeText(createdAt), `${live} of ${devices.length}`, disabled ? 'disabled' : '']
    })
    const text = table([['USER', 'JOINED (UTC)', 'DEVICES', ''], ...rows])
    tell(options, { users }, users.length === 0 ? 'Nobody has joined yet.' : text)
  })

/** Every device, a line each. */
export const showDevices = (options: Options): Promise<void> =>
  atDesk(options, async ({ registry, now }) => {
    const users = await registry.users()
    const devices = users.flatMap(({ name, devices }) =>
      devices.map((device) => ({
        user: name,
        ...device,
        state: device.revoked ? 'revoked' : device.certificateExpires <= now ? 'expired' : 'good',
      })),
    )
    const rows = devices.map(({ user, peerId, certificateExpires, state }) => [
      user,
      state,
      timeText(certificateExpires),
      peerId,
    ])
    const text = table([['USER', 'STATE', 'CERTIFICATE UNTIL (UTC)', 'PEERID'], ...rows])
    tell(options, { devices }, devices.length === 0 ? 'Nobody has joined yet.' : text)
  })

/** Gives a user another password, and forgives the tries with the old one. */
export const setPassword = (name: string, options: Options & { readonly passwordFile?: string }): Promise<void> =>
  atDesk(options, async ({ registry, attempts, now }) => {
    const user = (await registry.users()).find((known) => known.name === name)
    if (user === undefined) throw fault('no-such-user', name)
    await confirmed(options, `Give ${name} another password? The old one is forgotten.`)
    const keys = await openCaKeys(options.home, await passphraseFrom(passphraseSources(options), 'open'), now)
    const sources = {
      file: options.passwordFile,
      environment: process.env.LANYARD_PASSWORD,
      interactive: process.stdin.isTTY === true,
      ask: { open: '', new: `A new password for ${name}` },
    }
    const password = await passphraseFrom(sources, 'new')
    await registry.setPassword(name, orThrow(await createPasswords(keys.pepper, systemRandom).hash(password)), now)
    await attempts.guessed(name)
    tell(options, { password: name }, `${name} has another password. Devices that have joined stay as they are.`)
  })
