import { readCertificate } from '../../shared/certificate/certificate.ts'
import { derOf, type Encoded } from '../../shared/certificate/pem.ts'
import type { RevocationList } from '../../shared/certificate/revocation-list.ts'
import type { TrustAnchor } from '../../shared/certificate/verify.ts'
import { fault, isRefusal, orThrow, type Refusal, refuse } from '../../shared/errors.ts'
import { RECORD_AHEAD_MAX_MS } from '../../shared/limits.ts'
import type { TranscriptHead, TranscriptItem } from '../../shared/wire/transcript.ts'
import { createExamination, type Examination } from './examination.ts'
import { createProblems } from './problems.ts'
import { type Place, type ReadItem, readItems } from './read.ts'
import type { Report } from './report.ts'
import { reportOf, unreadable } from './summary.ts'
import { anchorOf, listUnder } from './trust.ts'

/** What the reader trusts, and goes by. */
export type Grounds = {
  /** The root certificate of the network: DER, or PEM. Whoever asks has it from elsewhere than from the file. */
  readonly root: Encoded
  /** Revocation lists that may be newer than the one in the file, DER or PEM. */
  readonly crls?: readonly Encoded[]
  /** Milliseconds since the epoch. */
  readonly now: number
}

/**
 * Reads a transcript from its first byte to its last and says what is wrong with it, on the root's word alone: no profile, no
 * network. Whatever the bytes are, it returns a report.
 * @throws LanyardError when the root, or a list of the reader's own, is none
 */
export const verifyTranscript = async (pieces: AsyncIterable<Uint8Array>, grounds: Grounds): Promise<Report> => {
  const rootSpki = orThrow(spkiOfRoot(grounds.root))
  const items = readItems(pieces)
  const begun = await begin(items, rootSpki, grounds)
  if (isRefusal(begun.examination)) {
    const problems = createProblems(() => null)
    problems.add(begun.examination, begun.place)
    return unreadable(begun.head, problems.all())
  }
  const { examination } = begun
  let stage = STAGES.indexOf('roots')
  for await (const read of items) stage = take(read, stage, examination)
  return reportOf(examination.conclude())
}

/** The order of the items in a file; the first two and the last come once. */
const STAGES: readonly TranscriptItem['kind'][] = [
  'transcript',
  'roots',
  'list',
  'certificate',
  'record',
  'aside',
  'receipt',
]

type Begun = {
  readonly head: TranscriptHead | null
  readonly place: Place
  readonly examination: Examination | Refusal
}

/** Reads head and roots: without them nothing else means anything. */
const begin = async (items: AsyncGenerator<ReadItem>, rootSpki: Uint8Array, grounds: Grounds): Promise<Begun> => {
  const first = await itemOf(items, 'transcript')
  if (isRefusal(first.item)) return { head: null, place: first.place, examination: first.item }
  const head = first.item
  const second = await itemOf(items, 'roots')
  const { item: roots, place } = second
  const anchor = isRefusal(roots) ? roots : anchorOf(roots, rootSpki, head.made)
  if (isRefusal(anchor)) return { head, place, examination: anchor }
  const later = (grounds.crls ?? []).map((crl) => orThrow(listOf(crl, anchor)))
  const examination = createExamination({ head, anchor, later })
  if (head.network !== anchor.network)
    examination.wrong(refuse('transcript-wrong-root', 'its head names another'), place)
  if (head.made > grounds.now + RECORD_AHEAD_MAX_MS) {
    examination.wrong(refuse('transcript-wrong-receipt', 'it says that it was made in the future'), first.place)
  }
  return { head, place, examination }
}

const itemOf = async <Kind extends 'transcript' | 'roots'>(
  items: AsyncGenerator<ReadItem>,
  kind: Kind,
): Promise<{ readonly item: Extract<TranscriptItem, { kind: Kind }> | Refusal; readonly place: Place }> => {
  const next = await items.next()
  if (next.done === true)
    return { item: refuse('transcript-truncated', 'there is nothing'), place: { item: 0, byte: 0 } }
  const { content, place } = next.value
  if (isRefusal(content)) return { item: content, place }
  return content.kind === kind
    ? { item: content as Extract<TranscriptItem, { kind: Kind }>, place }
    : { item: refuse('transcript-malformed', `${content.kind} where ${kind} should be`), place }
}

/** @returns how far the kinds have come */
const take = ({ content: item, place, digestBefore }: ReadItem, stage: number, examination: Examination): number => {
  if (isRefusal(item)) {
    examination.wrong(item, place)
    return stage
  }
  const own = STAGES.indexOf(item.kind)
  const again = own === stage && item.kind === 'receipt'
  if (own < stage || again) {
    examination.wrong(refuse('transcript-order', `${item.kind} behind ${STAGES[stage]}`), place)
  }
  switch (item.kind) {
    case 'transcript':
    case 'roots':
      if (own === stage) examination.wrong(refuse('transcript-order', 'the roots twice'), place)
      break
    case 'list':
      examination.list(item.der, place)
      break
    case 'certificate':
      examination.certificate(item.der, place)
      break
    case 'record':
      examination.record(item.record, item.key ?? null, place)
      break
    case 'aside':
      examination.aside(item.record, place)
      break
    case 'receipt':
      examination.receipt(item, digestBefore(), place)
      break
  }
  return Math.max(own, stage)
}

/** The key of a root certificate that a reader gives. */
const spkiOfRoot = (root: Encoded): Uint8Array | Refusal => {
  const der = derOf('CERTIFICATE', root)
  if (der === null) throw fault('certificate-malformed', '--root: neither DER nor PEM of one certificate')
  const certificate = readCertificate(der)
  return isRefusal(certificate) ? refuse(certificate.code, `--root: ${certificate.detail ?? ''}`) : certificate.spki
}

const listOf = (crl: Encoded, anchor: TrustAnchor): RevocationList | Refusal => {
  const der = derOf('X509 CRL', crl)
  const list = der === null ? refuse('crl-malformed', 'neither DER nor PEM of one list') : listUnder(der, anchor)
  return isRefusal(list) ? refuse(list.code, `--crl: ${list.detail ?? ''}`) : list
}
