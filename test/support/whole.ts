import { verifyAudit } from '../../ca-node/audit.ts'
import type { Store } from '../../ca-node/beside.ts'
import type { Transaction } from '../../ca-node/database.ts'
import type { Mark } from '../../ca-node/high-water.ts'

/**
 * What is half done in a CA's database, in words: a user without a device, a spent invite without its user, an admission
 * that the audit does not tell of, … Nothing of the kind may ever be there, whatever was killed and when.
 */
export const halfDone = async ({ database, highWater }: Pick<Store, 'database' | 'highWater'>): Promise<string[]> => {
  const mark = await highWater.read()
  // At one moment: what a killed process had asked for last may come to its end meanwhile.
  return database
    .transaction()
    .setAccessMode('read only')
    .execute((reading) => faultsIn(reading, mark))
}

const faultsIn = async (database: Transaction, mark: Mark): Promise<string[]> => {
  const users = await database.selectFrom('users').selectAll().execute()
  const devices = await database.selectFrom('devices').selectAll().execute()
  const certificates = await database.selectFrom('certificates').select(['serial', 'device_id']).execute()
  const invites = await database.selectFrom('invites').select(['used_at', 'used_by']).execute()
  const revocations = await database.selectFrom('revocations').selectAll().execute()
  const crls = await database.selectFrom('crls').select('number').orderBy('number').execute()
  const audit = await database.selectFrom('audit').selectAll().orderBy('id').execute()
  const verdict = await verifyAudit(database, mark)
  const spent = invites.filter(({ used_at }) => used_at !== null)
  const told = audit.filter(({ event }) => event === 'enrolled').map(({ detail }) => detail.split('serial ')[1] ?? '')
  return [
    ...without(users, new Set(devices.map(({ user_id }) => user_id)), ({ id }) => id).map(
      ({ name }) => `the user ${name} has no device`,
    ),
    ...without(devices, new Set(certificates.map(({ device_id }) => device_id)), ({ id }) => id).map(
      ({ peer_id }) => `the device ${peer_id} has no certificate`,
    ),
    ...without(users, new Set(spent.map(({ used_by }) => used_by)), ({ id }) => id).map(
      ({ name }) => `the user ${name} came in without an invite`,
    ),
    ...spent.filter(({ used_by }) => used_by === null).map(() => 'an invite was spent by nobody'),
    ...repeated(spent.map(({ used_by }) => String(used_by))).map((user) => `user ${user} has spent two invites`),
    ...repeated(told).map((serial) => `the audit tells twice of certificate ${serial}`),
    ...without(certificates, new Set(told), ({ serial }) => serial).map(
      ({ serial }) => `the audit does not tell of certificate ${serial}`,
    ),
    ...without(told, new Set(certificates.map(({ serial }) => serial)), (serial) => serial).map(
      (serial) => `there is no certificate ${serial}, of which the audit tells`,
    ),
    ...devices
      .filter(({ id, revoked_at }) => revoked_at !== null && !revocations.some(({ device_id }) => device_id === id))
      .map(({ peer_id }) => `the revoked device ${peer_id} is on no list`),
    ...revocations
      .filter(({ crl_number }) => crl_number !== null && crl_number > (crls.at(-1)?.number ?? 0))
      .map(({ serial }) => `the list that has ${serial} is not there`),
    ...(verdict.kind === 'broken' ? [`row ${verdict.row} of the audit: ${verdict.why}`] : []),
  ]
}

const without = <T, K>(all: readonly T[], known: ReadonlySet<K>, key: (one: T) => K): T[] =>
  all.filter((one) => !known.has(key(one)))

const repeated = (all: readonly string[]): string[] => all.filter((one, at) => all.indexOf(one) !== at)
