import { fault } from '../../shared/errors.ts'
import { sha256 } from '../../shared/ids.ts'
import { networkCode } from '../../shared/network-code.ts'
import { passphraseFrom } from '../../shared/passphrase.ts'
import { systemRandom } from '../../shared/random.ts'
import { createAuthority } from '../authority.ts'
import { checkRoot, endOverlap, noteRoot, overlapOf } from '../roll-over.ts'
import { createNextKeys, openCaKeys, retireKeys } from '../root-key.ts'
import { timeText } from '../tables.ts'
import { atDesk, confirmed, type Desk, type Options, passphraseSources, tell } from './command.ts'
import { sealList } from './revoke.ts'

export type RollOverOptions = Options & {
  readonly finish?: boolean
  readonly newPassphrase?: boolean
  readonly newPassphraseFile?: string
}

/** Goes on with a new root, or ends the time in which the old one is trusted as well. */
export const rollOver = (options: RollOverOptions): Promise<void> =>
  atDesk(options, (desk) => (options.finish === true ? finish(desk, options) : begin(desk, options)))

const begin = async ({ identity, database, revocations, now }: Desk, options: RollOverOptions): Promise<void> => {
  await checkRoot(database, identity.anchor.generation) // elsewhere somebody has done it: two next roots would split the network
  const open = await overlapOf(database, identity, now)
  if (open !== null) throw fault('overlap-open', `until ${timeText(open.until)}`)
  await confirmed(options, `Make a new root for “${identity.anchor.name}”, and erase the key of the one that it has?`)
  const passphrase = await passphraseFrom(passphraseSources(options), 'open')
  const keys = await openCaKeys(options.home, passphrase, now)
  const sealing = await sealingOf(options, passphrase)
  await createNextKeys(options.home, keys, { passphrase: sealing, random: systemRandom, now })
  // From here on the new root is ours, come what may: what is left undone below, the next start does.
  const next = await openCaKeys(options.home, sealing, now)
  await noteRoot(database, next, now)
  const { number } = await revocations.publish(createAuthority(next, systemRandom).list, now)
  await retireKeys(options.home)
  const until = next.anchor.elders[0]?.until ?? now
  const code = networkCode(sha256(next.anchor.spki))
  const lines = [
    `“${next.anchor.name}” has root number ${next.anchor.generation} now; the one before is trusted until ${timeText(until)} UTC.`,
    `Its network code is ${code}`,
    'Start the CA now (one that served on this home ends by itself), and make a backup: older ones hold an older root.',
  ]
  tell(options, { root: next.anchor.generation, networkCode: code, until, crl: number }, lines.join('\n'))
}

/** What seals the new keys: another passphrase where one is asked for or given, else the same. */
const sealingOf = async (options: RollOverOptions, passphrase: string): Promise<string> => {
  const environment = process.env.LANYARD_CA_NEW_PASSPHRASE
  const given = options.newPassphraseFile !== undefined || (environment ?? '') !== ''
  if (options.newPassphrase !== true && !given) return passphrase
  const ask = { open: '', new: 'A new passphrase, to seal the keys from now on' }
  const interactive = process.stdin.isTTY === true
  return passphraseFrom({ file: options.newPassphraseFile, environment, interactive, ask }, 'new')
}

const finish = async (desk: Desk, options: RollOverOptions): Promise<void> => {
  const { identity, database, now } = desk
  const open = await overlapOf(database, identity, now)
  if (open === null) throw fault('overlap-none')
  const cut = `Devices without a certificate of the new one, cut off until they meet the CA: ${open.behind.length}`
  await confirmed(options, `${cut}. End the time of the old root now?`)
  await endOverlap(database, identity, now)
  const crl = await sealList(desk, options)
  const text = `The new root alone is trusted, by revocation list ${crl}. ${cut}`
  tell(options, { root: identity.anchor.generation, behind: open.behind, crl }, text)
}
