import { z } from 'zod'
import { readCertificate } from '../../shared/certificate/certificate.ts'
import { dateText } from '../../shared/certificate/link.ts'
import { systemClock } from '../../shared/clock.ts'
import { orThrow } from '../../shared/errors.ts'
import { renew as renewDevice } from '../api/operations/device.ts'
import { connectIfRunning } from '../api/remote-client.ts'
import type { Keystore } from '../identity/identity-files.ts'
import { keepRenewed, openKeystore, readProfile } from '../identity/keystore.ts'
import { databasePath, openDatabase } from '../store/database.ts'
import { type Options, passphraseOf, tell } from './command.ts'

/** Renews the certificate of this device now, by its key. */
export const renew = async (options: Options): Promise<void> => {
  await readProfile(options.home) // whoever has not joined is told so before a passphrase is asked for
  await using running = await connectIfRunning(options.home)
  if (running !== null) {
    const { before, until } = await running.call(renewDevice, {})
    tellRenewed(options, Date.parse(before), Date.parse(until))
    return
  }
  await renewHome(options, await openKeystore(options.home, await passphraseOf(options, 'open')), '')
}

/** @param password of the user: past 30 days after the end of the certificate; else empty */
export const renewHome = async (options: Options, keystore: Keystore, password: string): Promise<void> => {
  const database = openDatabase(databasePath(options.home)) // ours alone: nobody changes the key meanwhile
  try {
    const { renewFromHome } = await import('../identity/renew.ts')
    const renewed = orThrow(await renewFromHome(keystore, systemClock, password))
    await keepRenewed(options.home, renewed)
    const [before = 0, until = 0] = [keystore.certificate, renewed.certificate].map(
      (der) => orThrow(readCertificate(der)).notAfter,
    )
    tellRenewed(options, before, until)
  } finally {
    database.close()
  }
}

export const renewedJson = z.object({
  event: z.literal('renewed'),
  before: z.iso.datetime().describe('the end of the certificate until now'),
  until: z.iso.datetime(),
})

/** @param before and `until`: milliseconds since the epoch */
const tellRenewed = (options: Options, before: number, until: number): void => {
  const told = { event: 'renewed', before: new Date(before).toISOString(), until: new Date(until).toISOString() }
  const words = `The certificate was good until ${dateText(before)}, and is now good until ${dateText(until)}.`
  tell(options, renewedJson.parse(told), words)
}
