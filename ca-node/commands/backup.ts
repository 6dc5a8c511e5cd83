import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fromPem } from '../../shared/certificate/pem.ts'
import { readRevocationList } from '../../shared/certificate/revocation-list.ts'
import type { TrustAnchor } from '../../shared/certificate/verify.ts'
import { systemClock } from '../../shared/clock.ts'
import { fault, LanyardError, orThrow } from '../../shared/errors.ts'
import { openHome, replaceFile } from '../../shared/folder.ts'
import { CRL_NUMBERS_LEFT_OUT } from '../../shared/limits.ts'
import { passphraseFrom } from '../../shared/passphrase.ts'
import { systemRandom } from '../../shared/random.ts'
import { writeAudit } from '../audit.ts'
import { type Backup, openBackup, sealBackup } from '../backup.ts'
import { openStore } from '../beside.ts'
import { copyDatabase, shutDatabase } from '../database.ts'
import { REASONS, type Reason, type Revoked } from '../revocations.ts'
import { importKeys, openCaKeys, readCaIdentity, readKeyFiles } from '../root-key.ts'
import { atDesk, confirmed, type Options, passphraseSources, tell } from './command.ts'

const DATABASE = 'ca.db'

/** All of the CA in one file, sealed by the CA's passphrase; it may go on serving. */
export const backup = (file: string, options: Options): Promise<void> =>
  atDesk(options, async ({ database, highWater, now }) => {
    const passphrase = await passphraseFrom(passphraseSources(options), 'open')
    await openCaKeys(options.home, passphrase, now) // a backup under a mistyped passphrase is none
    await database
      .transaction()
      .execute((transaction) => writeAudit(transaction, { time: now, event: 'backed-up', subject: file, detail: '' }))
    const copy = await copyDatabase(join(options.home, DATABASE))
    const { crlNumber } = await highWater.read()
    const whole = { keys: await readKeyFiles(options.home), database: copy, crlNumber, madeAt: now }
    await replaceFile(file, await sealBackup(whole, passphrase, systemRandom))
    tell(options, { backup: file, crl: crlNumber }, `All of the CA is in ${file}, sealed by its passphrase.`)
  })

/**
 * A backup into this home: an empty one, or one of the same CA, whose database it then replaces. What the lists that are
 * here, or are given, say stays revoked; the next list's number is above all of theirs.
 */
export const restore = async (file: string, options: Options & { readonly crl?: string }): Promise<void> => {
  const now = systemClock.now()
  const sealed = await readFile(file).catch((cause: unknown) => {
    throw fault('input-invalid', file, cause)
  })
  const passphrase = await passphraseFrom(passphraseSources(options), 'open')
  const found = orThrow(await openBackup(sealed, passphrase))
  const made = new Date(found.madeAt).toISOString()
  await confirmed(options, `Put the state of ${made} in the place of what is in ${options.home}?`)
  const before = await takePlace(options.home, found)
  await openCaKeys(options.home, passphrase, now)
  const { anchor } = await readCaIdentity(options.home, now)
  const given = options.crl === undefined ? [] : [await readListFile(options.crl)]
  const lists = [...(before === null ? [] : [before]), ...given].map((der) => readList(der, anchor))

  const store = await openStore(options.home)
  try {
    const numbers = [found.crlNumber, (await store.highWater.read()).crlNumber, ...lists.map(({ number }) => number)]
    // Where no database tells, lists may have been made since the backup: ours is above any that can be out there.
    const highest = Math.max(...numbers) + (before === null ? CRL_NUMBERS_LEFT_OUT : 0)
    let added = 0
    for (const list of lists) added += await store.revocations.adopt(list, now)
    await store.highWater.raise({ crlNumber: highest, audit: null })
    const facts = { restored: made, crlAtLeast: highest + 1, revocationsKept: added }
    const text = `The CA is as it was at ${made}; ${added} later revocations are kept. The next list is ${highest + 1} or later.`
    tell(options, facts, text)
  } finally {
    await store.close()
  }
}

/** Keys and database in their places; the newest list of the database that was there before, DER. */
const takePlace = async (home: string, { keys, database }: Backup): Promise<Uint8Array | null> => {
  await openHome(home)
  const path = join(home, DATABASE)
  if (await importKeys(home, keys)) {
    await replaceFile(path, database)
    return null
  }
  const here = await readKeyFiles(home)
  const same = (name: string) => Buffer.compare(here[name] ?? EMPTY, keys[name] ?? EMPTY) === 0
  if (!['root.pem', 'ca.pem', 'pepper.key'].every(same)) throw fault('input-invalid', `${home} has another CA`)
  const before = await openStore(home).catch((error: unknown) => {
    if (error instanceof LanyardError && error.code === 'storage-failed') return null // it is why somebody restores
    throw error
  })
  const list = (await before?.revocations.latest()) ?? null
  const unsigned = (await before?.revocations.unsigned()) ?? false
  await before?.close()
  if (unsigned) throw fault('input-invalid', 'revocations here wait for a signature: start the CA once, and stop it')
  await shutDatabase(path)
  await replaceFile(path, database)
  return list?.der ?? null
}

const EMPTY = new Uint8Array()

const readListFile = async (path: string): Promise<Uint8Array> => {
  const content = await readFile(path).catch((cause: unknown) => {
    throw fault('input-invalid', path, cause)
  })
  return fromPem('X509 CRL', content.toString('latin1')) ?? content
}

const readList = (der: Uint8Array, anchor: TrustAnchor): { number: number; entries: Revoked[] } => {
  const list = orThrow(readRevocationList(der, anchor.root))
  const entries = [...list.entries()].map(({ serial, date, reason }) => ({ serial, time: date, reason: known(reason) }))
  return { number: list.number, entries }
}

const known = (text: string): Reason => REASONS.find((reason) => reason === text) ?? 'unspecified'
