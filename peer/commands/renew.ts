import { readCertificate } from '../../shared/certificate/certificate.ts'
import { dateText } from '../../shared/certificate/link.ts'
import { systemClock } from '../../shared/clock.ts'
import { orThrow } from '../../shared/errors.ts'
import type { Keystore } from '../identity/identity-files.ts'
import { keepRenewed, openKeystore, readProfile } from '../identity/keystore.ts'
import { databasePath, openDatabase } from '../store/database.ts'
import { type Options, passphraseOf, tell } from './command.ts'

/** Renews the certificate of this device now, by its key. */
export const renew = async (options: Options): Promise<void> => {
  await readProfile(options.home) // whoever has not joined is told so before a passphrase is asked for
  await renewHome(options, await openKeystore(options.home, await passphraseOf(options, 'open')), '')
}

/** @param password of the user: past 30 days after the end of the certificate; else empty */
export const renewHome = async (options: Options, keystore: Keystore, password: string): Promise<void> => {
  const database = openDatabase(databasePath(options.home)) // ours alone: nobody changes the key meanwhile
  try {
    const { renewFromHome } = await import('../identity/renew.ts')
    const renewed = orThrow(await renewFromHome(keystore, systemClock, password))
    await keepRenewed(options.home, renewed)
    const [before, until] = [keystore.certificate, renewed.certificate].map(
      (der) => orThrow(readCertificate(der)).notAfter,
    )
    tell(
      options,
      { event: 'renewed', before: isoOf(before), until: isoOf(until) },
      `The certificate was good until ${dateText(before ?? 0)}, and is now good until ${dateText(until ?? 0)}.`,
    )
  } finally {
    database.close()
  }
}

const isoOf = (ms: number | undefined): string => new Date(ms ?? 0).toISOString()
