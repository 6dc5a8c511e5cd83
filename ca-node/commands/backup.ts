import { readFile } from 'node:fs/promises'
import { rootsOf } from '../../shared/certificate/lineage.ts'
import { fromPem } from '../../shared/certificate/pem.ts'
import { type Clock, systemClock } from '../../shared/clock.ts'
import { fault, LanyardError, orThrow } from '../../shared/errors.ts'
import { openHome, replaceFile } from '../../shared/folder.ts'
import { CRL_NUMBERS_LEFT_OUT } from '../../shared/limits.ts'
import { passphraseFrom } from '../../shared/passphrase.ts'
import { systemRandom } from '../../shared/random.ts'
import { readSignedList, type SignedList } from '../adoption.ts'
import { writeAudit } from '../audit.ts'
import { type Backup, openBackup, sealBackup } from '../backup.ts'
import { openStore } from '../beside.ts'
import { type Database, replaceDatabase } from '../database.ts'
import { checkOwner, findPlace, type Place, remember, setOwner } from '../database-place.ts'
import { readRows, writeRows } from '../database-rows.ts'
import { fillServer } from '../database-server.ts'
import { createHighWater } from '../high-water.ts'
import { type Recovery, readRecovery, writeRecovery } from '../recovery.ts'
import { createRevocations, type Revocations } from '../revocations.ts'
import { compareKeys, importKeys, openCaKeys, readCaIdentity, readKeyFiles } from '../root-key.ts'
import { SCHEMA_VERSION } from '../schema.ts'
import { atDesk, confirmed, type Options, passphraseSources, serverOf, tell } from './command.ts'

/** All of the CA in one file, sealed by the CA's passphrase; it may go on serving. */
export const backup = (file: string, options: Options): Promise<void> =>
  atDesk(options, async ({ database, revocations, highWater, now }) => {
    const passphrase = await passphraseFrom(passphraseSources(options), 'open')
    await openCaKeys(options.home, passphrase, now) // a backup under a mistyped passphrase is none
    await database
      .transaction()
      .execute((transaction) => writeAudit(transaction, { time: now, event: 'backed-up', subject: file, detail: '' }))
    const rows = await readRows(database)
    const crlNumber = Math.max((await highWater.read()).crlNumber, await revocations.latestNumber())
    const whole = { keys: await readKeyFiles(options.home), schema: SCHEMA_VERSION, rows, crlNumber, madeAt: now }
    await replaceFile(file, await sealBackup(whole, passphrase, systemRandom))
    tell(options, { backup: file, crl: crlNumber }, `All of the CA is in ${file}, sealed by its passphrase.`)
  })

/**
 * A backup into this home: an empty one, or one of the same CA, whose database it then replaces. What the lists that are
 * here, or are given, say stays revoked; the next list's number is above all of theirs.
 */
export const restore = async (
  file: string,
  options: Options & { readonly crl?: string },
  { now: at }: Clock = systemClock,
): Promise<void> => {
  const now = at()
  const sealed = await readGiven(file)
  const passphrase = await passphraseFrom(passphraseSources(options), 'open')
  const found = orThrow(await openBackup(sealed, passphrase))
  const made = new Date(found.madeAt).toISOString()
  await confirmed(options, `Put the state of ${made} in the place of what is in ${options.home}?`)
  const place = await findPlace(options.home, serverOf(options))
  const given = options.crl === undefined ? [] : [await readListFile(options.crl)] // before anything is changed
  const before = await takePlace(options.home, place, found, passphrase, now)
  const { anchor } = await readCaIdentity(options.home, now)
  const lists: SignedList[] = []
  for (const der of [...(before.list === null ? [] : [before.list]), ...given]) {
    lists.push(orThrow(await readSignedList(der, rootsOf(anchor))))
  }

  const store = await openStore(options.home, { place, network: anchor.network })
  try {
    const numbers = [found.crlNumber, (await store.highWater.read()).crlNumber, ...lists.map(({ number }) => number)]
    // Where no database tells, lists may have been made since the backup: ours is above any that can be out there.
    const until = Math.max(...numbers) + (before.list === null ? CRL_NUMBERS_LEFT_OUT : 0)
    // What earlier restores had lost and nobody has given back yet is still to be asked for.
    const lost = [before.recovery, await readRecovery(store.database)].flatMap((one) => one?.after ?? [])
    const after = Math.min(before.list === null ? found.crlNumber : until, ...lost)
    const recovery = { at: now, after, until, asked: after === until, disabled: [] }
    await store.database.transaction().execute((inside) => writeRecovery(inside, recovery))
    let added = 0
    for (const list of lists) added += await store.revocations.adopt(list, now, anchor)
    await store.highWater.raise({ crlNumber: until, audit: null })
    const facts = { restored: made, crlAtLeast: until + 1, revocationsKept: added }
    const text = [
      `The CA is as it was at ${made}; ${added} later revocations are kept. The next list is ${until + 1} or later.`,
      ...(after === until
        ? []
        : [
            'At its start the CA first asks its devices what it has revoked since: have some of them on.',
            'If you know more than they do, revoke it again, or restore with --crl and the newest list that you have.',
          ]),
    ]
    tell(options, facts, text.join('\n'))
  } finally {
    await store.close()
  }
}

/** Keys and database in their places; the newest list of the database that was there before, DER. */
const takePlace = async (
  home: string,
  place: Place,
  { keys, schema, rows }: Backup,
  passphrase: string,
  now: number,
) => {
  if (schema !== SCHEMA_VERSION)
    throw fault('backup-damaged', `it has tables of version ${schema}, not ${SCHEMA_VERSION}`)
  await openHome(home)
  const standing = await compareKeys(home, keys)
  if (standing === 'other') throw fault('input-invalid', `${home} has another CA`)
  // Keys with more roots than those of the backup stay: the network has gone on to the newest of them.
  if (standing !== 'older') {
    if (standing !== 'same') await importKeys(home, keys)
    await openCaKeys(home, passphrase, now)
  }
  const { network } = (await readCaIdentity(home, now)).anchor
  if (place.kind === 'file') {
    const before = await lookInto(home)
    await replaceDatabase(place.path, (transaction) => writeRows(transaction, rows))
    return before
  }
  let before = NOTHING
  await fillServer(place.address, {
    replace: async (transaction) => {
      await checkOwner(transaction, place.address, network)
      before = await lookAt(transaction, createRevocations(transaction, createHighWater(home)))
    },
    fill: async (transaction) => {
      await writeRows(transaction, rows)
      await setOwner(transaction, network)
    },
  })
  await remember(home, place.address)
  return before
}

/** What the database that was there knew of lists. */
type Before = { readonly list: Uint8Array | null; readonly recovery: Recovery | null }

const NOTHING: Before = { list: null, recovery: null }

/** Of the file that is there; nothing where there is none, or it can't be read: it is why somebody restores. */
const lookInto = async (home: string): Promise<Before> => {
  const store = await openStore(home).catch((error: unknown) => {
    if (error instanceof LanyardError && error.code === 'storage-failed') return null
    throw error
  })
  return store === null ? NOTHING : lookAt(store.database, store.revocations).finally(store.close)
}

const lookAt = async (
  database: Pick<Database, 'selectFrom'>,
  revocations: Pick<Revocations, 'latest' | 'unsigned'>,
): Promise<Before> => {
  const unsigned = await revocations.unsigned()
  if (unsigned) throw fault('input-invalid', 'revocations here wait for a signature: start the CA once, and stop it')
  return { list: (await revocations.latest())?.der ?? null, recovery: await readRecovery(database) }
}

/** A file that the operator named. @throws LanyardError `file-unreadable`, in the system's words */
const readGiven = (path: string): Promise<Buffer> =>
  readFile(path).catch((cause: unknown) => {
    throw fault('file-unreadable', cause instanceof Error ? cause.message : path, cause)
  })

const readListFile = async (path: string): Promise<Uint8Array> => {
  const content = await readGiven(path)
  return fromPem('X509 CRL', content.toString('latin1')) ?? content
}
