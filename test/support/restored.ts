import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { backup, restore } from '../../ca-node/commands/backup.ts'
import { readCaIdentity } from '../../ca-node/root-key.ts'
import type { PeerEvent } from '../../peer/events.ts'
import { readRevocationList } from '../../shared/certificate/revocation-list.ts'
import { orThrow } from '../../shared/errors.ts'
import { DAY_MS } from '../../shared/limits.ts'
import { type Colleague, type Company, ledgerOf } from './company.ts'
import { PASSPHRASE } from './enrolment.ts'

// A CA that loses its database, with what was revoked since the backup.

export const hasCrl = (number: number) => (event: PeerEvent) => event.kind === 'revocations' && event.number >= number

/** A backup, and what happens after it: mallory is revoked, carol disabled, and a list says so. */
export const loseADay = async (company: Company, ...others: readonly Colleague[]) => {
  const file = join(company.home, '..', 'ca.backup')
  const passphraseFile = join(company.home, '..', 'passphrase')
  await writeFile(passphraseFile, PASSPHRASE)
  await backup(file, { home: company.home, passphraseFile, json: true })
  const known = company.ca().crl().number
  company.clock.advance(DAY_MS / 24)
  await company.ca().revoke({ user: 'mallory' }, 'keyCompromise')
  const store = await ledgerOf(company.home)
  await store.revocations.disable('carol', company.clock.now())
  await store.close()
  await expect.poll(() => company.ca().crl().number).toBe(known + 2)
  await Promise.all(others.map((one) => one.until(hasCrl(known + 2))))
  await company.close()
  /** Puts the backup into a folder where nothing of all that is known. */
  const putBack = async (home = join(company.home, '..', 'restored')): Promise<string> => {
    for (const end of ['', '-wal', '-shm']) await rm(join(home, `ca.db${end}`), { force: true })
    await restore(file, { home, passphraseFile, json: true, yes: true }, company.clock)
    return home
  }
  return { known, lost: known + 2, putBack }
}

/** What the list of the CA that serves says. */
export const listOf = async (company: Company) => {
  const { anchor } = await readCaIdentity(company.home, company.clock.now())
  return orThrow(readRevocationList(company.ca().crl().der, anchor.root))
}
