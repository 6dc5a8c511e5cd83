import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { toPem } from '../../shared/certificate/pem.ts'
import { fault } from '../../shared/errors.ts'
import { replaceFile } from '../../shared/folder.ts'
import { sha256 } from '../../shared/ids.ts'
import { CERTIFICATE_LIFETIME_MAX_MS, CRL_ENTRY_KEPT_MS, ROOT_ADVICE_MS } from '../../shared/limits.ts'
import { networkCode } from '../../shared/network-code.ts'
import type { Database } from '../database.ts'
import { reachable } from '../invites.ts'
import { listPending, readMode } from '../modes.ts'
import { countAll, listInvites } from '../overview.ts'
import { type Recovery, readRecovery } from '../recovery.ts'
import { overlapOf } from '../roll-over.ts'
import { table, timeText } from '../tables.ts'
import { readTerms } from '../terms.ts'
import { atDesk, type Options, tell } from './command.ts'
import { MODE_WORDS, termsText } from './terms.ts'

/** How it stands, in a screen. */
export const showStatus = (options: Options): Promise<void> =>
  atDesk(options, async ({ identity, registry, revocations, database, now }) => {
    const { anchor, ca } = identity
    const list = await revocations.latest()
    const facts = {
      network: anchor.network,
      networkName: anchor.name,
      networkCode: networkCode(sha256(anchor.spki)),
      peerId: ca.peerId,
      addresses: reachable(await registry.addresses()),
      root: anchor.generation,
      rootExpires: anchor.notAfter,
      overlap: await overlapOf(database, identity, now),
      mode: await readMode(database),
      terms: await readTerms(database),
      pending: (await listPending(database)).filter(({ approvedAt }) => approvedAt === null).length,
      ...(await countAll(database, now)),
      crl: list === null ? null : { number: list.number, madeAt: list.madeAt, nextUpdate: list.nextUpdate },
      unsignedRevocations: await revocations.unsigned(),
      recovery: await recoveryOf(database),
    }
    const rows = [
      ['network', facts.networkName],
      ['network code', facts.networkCode],
      ['PeerId', facts.peerId],
      ...facts.addresses.map((address, at) => [at === 0 ? 'addresses' : '', address]),
      ['root', `number ${facts.root}, until ${timeText(facts.rootExpires)}${rootAdvice(facts.rootExpires - now)}`],
      ...(facts.overlap === null
        ? []
        : [
            [
              '',
              `the one before until ${timeText(facts.overlap.until)}; devices with no newer certificate: ${facts.overlap.behind.length}`,
            ],
          ]),
      ['users', `${facts.users}${facts.disabled > 0 ? `, ${facts.disabled} disabled` : ''}`],
      ['devices', `${facts.devices}${facts.revoked > 0 ? `, and ${facts.revoked} revoked` : ''}`],
      ['certificates', `${facts.certificates} good now`],
      ['invites', `${facts.openInvites} open`],
      ['without an invite', MODE_WORDS[facts.mode]],
      ['terms', termsText(facts.terms)],
      ...(facts.pending > 0 ? [['', `${facts.pending} wait for your word: npm run ca -- pending`]] : []),
      ['revocation list', list === null ? 'none yet' : `${list.number}, made ${timeText(list.madeAt)}`],
      ['', list === null ? '' : `good until ${timeText(list.nextUpdate)}${list.nextUpdate <= now ? ': STALE' : ''}`],
      ...(facts.unsignedRevocations ? [['', 'revocations wait for a signature: npm run ca']] : []),
      ...recoveryRows(facts.recovery, now),
      ['audit', `${facts.auditRows} rows`],
    ]
    tell(options, facts, table(rows))
  })

/** Of those whom a list has disabled, the ones who still are. */
const recoveryOf = async (database: Database): Promise<Recovery | null> => {
  const recovery = await readRecovery(database)
  if (recovery === null || recovery.disabled.length === 0) return recovery
  const out = database.selectFrom('users').select('name').where('disabled_at', 'is not', null)
  const rows = await out.where('name', 'in', recovery.disabled).orderBy('name').execute()
  return { ...recovery, disabled: rows.map(({ name }) => name) }
}

/** After a restore: what is not known yet, and what is to be looked at. */
const recoveryRows = (recovery: Recovery | null, now: number): string[][] => {
  if (recovery === null) return []
  const { at, after, until, disabled } = recovery
  return [
    ['restored', timeText(at)],
    ...(after < until && now < at + CERTIFICATE_LIFETIME_MAX_MS + CRL_ENTRY_KEPT_MS // nothing of then is good any more
      ? [
          ['', `lists from ${after + 1} to ${until} are taken over from whoever has one; until then a device`],
          ['', 'that was revoked after the backup may be let in: revoke it again, if you know of it'],
        ]
      : []),
    ...disabled.map((name) => ['', `${name} was disabled again: if that is wrong, npm run ca -- enable ${name}`]),
  ]
}

const rootAdvice = (leftMs: number): string => (leftMs > ROOT_ADVICE_MS ? '' : ': SOON, see npm run ca -- roll-over')

export const showInvites = (options: Options): Promise<void> =>
  atDesk(options, async ({ database, now }) => {
    const invites = await listInvites(database, now)
    const rows = invites.map(({ id, state, expires, forName, usedBy }) => [
      id,
      state,
      timeText(expires),
      forName ?? 'anybody',
      usedBy ?? '',
    ])
    const text = table([['INVITE', 'STATE', 'GOOD UNTIL (UTC)', 'FOR', 'USED BY'], ...rows])
    tell(options, { invites }, invites.length === 0 ? 'No invite has been made yet.' : text)
  })

/** Roots, CA certificate and revocation list, as files that openssl reads. */
export const exportPapers = (options: Options & { readonly out: string; readonly der?: boolean }): Promise<void> =>
  atDesk(options, async ({ identity, revocations }) => {
    const list = await revocations.latest()
    if (list === null) throw fault('not-served', 'so there is no revocation list yet')
    const [elder] = identity.anchor.elders
    const succession = identity.lineage.successions.at(-1)
    const papers = [
      ['root', 'CERTIFICATE', identity.anchor.certificate],
      ...(elder === undefined || succession === undefined
        ? []
        : ([
            ['old-root', 'CERTIFICATE', elder.root.certificate.der],
            ['new-with-old', 'CERTIFICATE', succession.cross],
            ['old-with-new', 'CERTIFICATE', succession.back],
          ] as const)),
      ['ca', 'CERTIFICATE', identity.ca.certificate],
      ['crl', 'X509 CRL', list.der],
    ] as const
    await mkdir(options.out, { recursive: true })
    const files: string[] = []
    for (const [name, label, der] of papers) {
      const path = join(options.out, `${name}.${options.der === true ? 'der' : 'pem'}`)
      await replaceFile(path, options.der === true ? der : toPem(label, der))
      files.push(path)
    }
    tell(options, { files, crl: list.number }, files.join('\n'))
  })
