import { equals } from 'uint8arrays/equals'
import type { RevocationList } from '../../shared/certificate/revocation-list.ts'
import type { TrustAnchor, VerifiedDevice } from '../../shared/certificate/verify.ts'
import { isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import { fromHex, toCertificateHash, toRoomId } from '../../shared/ids.ts'
import { CLOCK_SKEW_MS, RECORD_AHEAD_MAX_MS } from '../../shared/limits.ts'
import { growingMerkleTree } from '../../shared/merkle.ts'
import {
  type ReceiptStatement,
  receiptStatementCodec,
  type SealedReceipt,
  type TranscriptHead,
} from '../../shared/wire/transcript.ts'
import type { LogName } from '../group/knowledge.ts'
import { createRecordVerifier, type ParsedRecord, parseRecord } from '../log/record.ts'
import { type Chain, createChains } from './chains.ts'
import { createJudge, type Judge, type Judgement } from './judgement.ts'
import { createMessages } from './messages.ts'
import { createProblems } from './problems.ts'
import type { Place } from './read.ts'
import { isReceiptOf } from './receipt.ts'
import type { Problem, TranscriptMessage } from './report.ts'
import { createTrust, type Trust } from './trust.ts'

/** Looks at the contents of a transcript, in the order of the file, once its head and its roots are known. */
export type Examination = {
  list(der: Uint8Array, place: Place): void
  certificate(der: Uint8Array, place: Place): void
  record(bytes: Uint8Array, key: Uint8Array | null, place: Place): void
  aside(bytes: Uint8Array, place: Place): void
  /** @param digest SHA-256 of all that stands before it */
  receipt(receipt: SealedReceipt, digest: Uint8Array, place: Place): void
  /** Something that is wrong with the file itself. */
  wrong(refusal: Refusal, place?: Place): void
  conclude(): Findings
}

export type Findings = {
  readonly head: TranscriptHead
  readonly anchor: TrustAnchor
  readonly trust: Trust
  readonly judgement: Judgement
  readonly chains: readonly Chain[]
  readonly exporter: VerifiedDevice | null
  readonly records: number
  readonly hidden: number
  /** Null: no key was told. */
  readonly messages: readonly TranscriptMessage[] | null
  readonly problems: readonly Problem[]
  readonly problemCount: number
}

export type ExaminationParts = {
  readonly head: TranscriptHead
  readonly anchor: TrustAnchor
  /** Lists that the reader has besides. */
  readonly later: readonly RevocationList[]
}

export const createExamination = ({ head, anchor, later }: ExaminationParts): Examination => {
  const room = toRoomId(head.room)
  const whole = head.from === undefined && head.to === undefined
  const trust = createTrust(anchor, later, head.made)
  const problems = createProblems(trust.userOf)
  const chains = createChains(whole)
  const tree = growingMerkleTree()
  const messages = createMessages()
  const isSigned = createRecordVerifier()
  let judge: Judge | null = null
  let receipts = 0
  let exporter: VerifiedDevice | null = null

  /** Once the first record comes, all certificates and lists are here. */
  const judgeNow = (): Judge => {
    const users = [...new Set(trust.all().map(({ user }) => user))]
    judge ??= createJudge({ ...trust, network: anchor.network, room, whole, chains, users })
    return judge
  }

  /** Whether the author may have written this, then and here. */
  const refusedFor = (record: ParsedRecord, author: VerifiedDevice): Refusal | null => {
    const [ms] = record.header.time
    if (record.room !== room) return refuse('record-wrong-room')
    const unsigned = isSigned(record, author)
    if (unsigned !== null) return unsigned
    if (ms > author.notAfter + RECORD_AHEAD_MAX_MS) return refuse('certificate-expired', author.user)
    return ms > head.made + RECORD_AHEAD_MAX_MS ? refuse('record-from-future') : null
  }

  type Attributed = { readonly record: ParsedRecord; readonly author: VerifiedDevice; readonly log: LogName }
  /** The record, if its author signed it; what is wrong else is noted. */
  const attribute = (record: ParsedRecord, place: Place): Attributed | null => {
    const { header, incarnation } = record
    const author = trust.get(record.author)
    if (author === null) {
      problems.addOnce(record.author, refuse('certificate-unknown', record.author), place)
      return null
    }
    const log = { device: author.peerId, incarnation }
    const refused = refusedFor(record, author)
    if (refused !== null) problems.add(refused, { ...place, ...log, user: author.user, seq: header.seq })
    // What its author did not sign says nothing about the author: it has no place in the log.
    return refused?.code === 'record-bad-signature' || refused?.code === 'record-wrong-room'
      ? null
      : { record, author, log }
  }
  const inRoom = ({ record: { hash, header, wire }, author: { user }, log }: Attributed) => ({
    ...{ hash, header, user },
    body: wire.body,
    log: { room, ...log },
  })

  const readStatement = ({ statement }: SealedReceipt, digest: Uint8Array): ReceiptStatement | Refusal => {
    const said = receiptStatementCodec.decode(statement)
    if (isRefusal(said)) return refuse('transcript-wrong-receipt', said.detail)
    if (!equals(said.file, digest)) problems.add(refuse('transcript-altered'))
    return said
  }

  /** Who signed the receipt, and could. */
  const exporterOf = (receipt: SealedReceipt, said: ReceiptStatement): VerifiedDevice | Refusal => {
    const author = trust.get(toCertificateHash(said.author))
    if (author === null) return refuse('certificate-unknown', 'of the device that signed the receipt')
    if (!isReceiptOf(author.publicKey, receipt))
      return refuse('transcript-wrong-receipt', `${author.user} did not sign it`)
    const { notBefore, notAfter } = author
    if (said.made < notBefore - CLOCK_SKEW_MS)
      return refuse('certificate-not-yet-valid', `${author.user}, who exported it`)
    if (said.made > notAfter + CLOCK_SKEW_MS) return refuse('certificate-expired', `${author.user}, who exported it`)
    const since = trust.revokedAt(author)
    return since !== null && since < said.made
      ? refuse('certificate-revoked', `${author.user}, who exported it`)
      : author
  }

  /** What the receipt says of the file, against what was read of it. */
  const compare = (said: ReceiptStatement, place: Place): void => {
    const wrong = (what: string): void => problems.add(refuse('transcript-wrong-receipt', what), place)
    if (!equals(said.room, head.room)) wrong('it is for another room')
    if (said.made !== head.made) wrong('it tells another time')
    if (said.crl !== trust.heldList()) wrong(`it tells of revocation list ${said.crl}, and ${trust.heldList()} is here`)
    if (head.what === 'receipt') {
      if (tree.size() > 0) wrong('there are records, and it says that there are none')
      return
    }
    for (const { log, ...refusal } of chains.compare(said.heads)) problems.add(refusal, log)
    if (said.records !== tree.size()) wrong(`it counts ${said.records} records, and ${tree.size()} are here`)
    else if (!equals(said.root, tree.root())) wrong('the Merkle root of the records is another one')
  }

  const conclude = (): Findings => {
    if (receipts === 0) problems.add(refuse('transcript-truncated', 'there is no receipt at the end'))
    const judgement = judgeNow().conclude()
    for (const { refusal, log, seq } of head.what === 'receipt' ? [] : judgement.faults) {
      problems.add(refusal, { ...log, ...(seq === undefined ? {} : { seq }) })
    }
    let hidden = 0
    for (const { log, hashes } of chains.all()) {
      for (const seq of hashes.keys()) if (judgement.isHidden(log, seq)) hidden++
    }
    return {
      ...{ head, anchor, trust, judgement, exporter, hidden },
      chains: chains.all(),
      records: tree.size(),
      messages: messages.hasKeys() ? messages.all(judgement.isHidden) : null,
      problems: problems.all(),
      problemCount: problems.count(),
    }
  }

  const note = (refusal: Refusal | null, place: Place): void => {
    if (refusal !== null) problems.add(refusal, place)
  }
  return {
    list: (der, place) => note(trust.addList(der), place),
    certificate: (der, place) => note(trust.addCertificate(der), place),
    record: (bytes, key, place) => {
      const record = parseRecord(bytes)
      if (isRefusal(record)) return note(record, place)
      tree.add(fromHex(record.hash))
      const attributed = attribute(record, place)
      if (attributed === null) return
      const { author, log } = attributed
      const { seq } = record.header
      const where = { ...place, ...log, user: author.user, seq }
      const { refusals, placed } = chains.place(log, record.header, record.hash)
      for (const refusal of refusals) problems.add(refusal, where)
      if (placed === 'beside') judgeNow().aside(inRoom(attributed))
      if (placed !== 'next') return
      judgeNow().learn(inRoom(attributed))
      const closed = messages.take(inRoom(attributed), key)
      if (closed !== null) problems.add(closed, where)
    },
    aside: (bytes, place) => {
      const record = parseRecord(bytes)
      if (isRefusal(record)) return note(record, place)
      const attributed = attribute(record, place)
      if (attributed !== null) judgeNow().aside(inRoom(attributed))
    },
    receipt: (receipt, digest, place) => {
      receipts++
      const said = readStatement(receipt, digest)
      const by = isRefusal(said) ? said : exporterOf(receipt, said)
      if (isRefusal(by)) note(by, place)
      else exporter = by
      if (!isRefusal(said)) compare(said, place)
    },
    wrong: (refusal, place) => problems.add(refusal, place),
    conclude,
  }
}
