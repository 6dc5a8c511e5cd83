import { setTimeout } from 'node:timers/promises'
import { fault } from '../../shared/errors.ts'
import { REVOCATION_POLL_MS, SIGNING_WAIT_MS } from '../../shared/limits.ts'
import { passphraseFrom } from '../../shared/passphrase.ts'
import { systemRandom } from '../../shared/random.ts'
import { createAuthority } from '../authority.ts'
import { REASONS, type Reason, type RevokedDevices, type Target } from '../put-out.ts'
import { openCaKeys } from '../root-key.ts'
import { atDesk, confirmed, type Desk, type Options, passphraseSources, tell } from './command.ts'

/** Takes a user's devices, or one device, out of the network for ever. */
export const revoke = (name: string, options: Options & { readonly reason: string }): Promise<void> =>
  atDesk(options, async (desk) => {
    const reason = readReason(options.reason)
    const target = await targetOf(desk, name)
    const what = 'user' in target ? `all devices of ${target.user}` : `the device ${target.peerId}`
    await confirmed(options, `Revoke ${what}, for ever?`)
    const revoked = await desk.revocations.revoke(target, reason, desk.now)
    if (revoked === null) throw fault('no-such-device', name)
    await report(desk, options, revoked, 'user' in target ? `${LOGIN_STAYS} ${target.user}` : '')
  })

/** Takes a user's devices out, and keeps the user out until `enable`. */
export const disable = (name: string, options: Options): Promise<void> =>
  atDesk(options, async (desk) => {
    await confirmed(options, `Disable ${name}, and revoke all devices of ${name} for ever?`)
    const revoked = await desk.revocations.disable(name, desk.now)
    if (revoked === null) throw fault('no-such-user', name)
    await report(desk, options, revoked, `Let ${name} in again, with new keys: npm run ca -- enable ${name}`)
  })

export const enable = (name: string, options: Options): Promise<void> =>
  atDesk(options, async (desk) => {
    if (!(await desk.revocations.enable(name, desk.now))) throw fault('no-such-user', name)
    tell(options, { enabled: name }, `${name} may log in again: each device as a new one, with the password.`)
  })

const LOGIN_STAYS = 'The user may log in with a new device. To prevent that: npm run ca -- disable'

const readReason = (text: string): Reason => {
  const reason = REASONS.find((known) => known.toLowerCase() === text.toLowerCase())
  if (reason === undefined) throw fault('input-invalid', `--reason takes one of ${REASONS.join(', ')}`)
  return reason
}

/** A user of that name, else a device of that PeerId. */
const targetOf = async ({ registry }: Desk, name: string): Promise<Target> => {
  const users = await registry.users()
  if (users.some((user) => user.name === name)) return { user: name }
  if (users.some(({ devices }) => devices.some(({ peerId }) => peerId === name))) return { peerId: name }
  throw fault('no-such-device', name)
}

const report = async (desk: Desk, options: Options, revoked: RevokedDevices, after: string): Promise<void> => {
  const crl = await sealList(desk, options)
  const lines = revoked.devices.map(({ peerId, serials }) => `${peerId}  serial ${serials.join(', ') || '(none live)'}`)
  const what = lines.length === 0 ? 'no device was left' : `on revocation list ${crl}:`
  const text = [`${revoked.user}: ${what}`, ...lines, after].filter((line) => line !== '')
  tell(options, { ...revoked, crl }, text.join('\n'))
}

/** The number of the list with all that was revoked: by the CA that serves, or signed here when none does. */
export const sealList = async ({ revocations, now }: Desk, options: Options): Promise<number> => {
  const deadline = performance.now() + SIGNING_WAIT_MS
  while ((await revocations.unsigned()) && performance.now() < deadline) await setTimeout(REVOCATION_POLL_MS / 2)
  if (await revocations.unsigned()) {
    const passphrase = await passphraseFrom(passphraseSources(options), 'open')
    const keys = await openCaKeys(options.home, passphrase, now)
    return (await revocations.publish(createAuthority(keys, systemRandom).list, now)).number
  }
  return (await revocations.latest())?.number ?? 0
}
