import { toHex } from '../../shared/ids.ts'
import type { TranscriptHead } from '../../shared/wire/transcript.ts'
import type { Findings } from './examination.ts'
import { iso, isoOrNull, type Problem, type Report } from './report.ts'

/** The report on what was read to its end. */
export const reportOf = (findings: Findings): Report => {
  const { head, trust, judgement, exporter, chains, messages } = findings
  const newest = trust.newestList(head.made)
  return {
    event: 'verified',
    ok: findings.problemCount === 0,
    transcript: { ...subjectOf(head), name: judgement.name ?? head.name, withKeys: messages !== null },
    exporter: exporter === null ? null : { user: exporter.user, device: exporter.peerId, certificate: exporter.hash },
    revocationList:
      newest === null
        ? null
        : {
            number: newest.list.number,
            made: iso(newest.list.thisUpdate),
            due: iso(newest.list.nextUpdate),
            staleThen: newest.stale,
          },
    records: findings.records,
    hidden: findings.hidden,
    membership: judgement.membership,
    authors: trust.all().map((device) => ({
      user: device.user,
      device: device.peerId,
      certificate: device.hash,
      serial: device.serial,
      notBefore: iso(device.notBefore),
      notAfter: iso(device.notAfter),
      revoked: isoOrNull(trust.revokedAt(device)),
    })),
    logs: chains.map(({ log: { device, incarnation }, first, last, prev, hashes }) => ({
      ...{ device, incarnation, user: trust.userOf(device) ?? '', first, last },
      records: hashes.size,
      prev: first === 0 ? null : toHex(prev),
    })),
    problems: [...findings.problems],
    problemCount: findings.problemCount,
    messages: messages === null ? null : [...messages],
  }
}

/** The report on what could not be read past its beginning. */
export const unreadable = (head: TranscriptHead | null, problems: readonly Problem[]): Report => ({
  event: 'verified',
  ok: false,
  transcript: head === null ? null : { ...subjectOf(head), withKeys: false },
  exporter: null,
  revocationList: null,
  records: 0,
  hidden: 0,
  membership: 'not-judged',
  authors: [],
  logs: [],
  problems: [...problems],
  problemCount: problems.length,
  messages: null,
})

const subjectOf = ({ network, room, name, what, made, from, to }: TranscriptHead) => ({
  ...{ network, room: toHex(room), name, what, made: iso(made) },
  from: isoOrNull(from ?? null),
  to: isoOrNull(to ?? null),
})
