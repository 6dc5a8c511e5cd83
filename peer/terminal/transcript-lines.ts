import { dateText } from '../../shared/certificate/link.ts'
import { nextStepOf, refuse } from '../../shared/errors.ts'
import type { Code } from '../../shared/words.ts'
import type { Problem, Report, TranscriptMessage } from '../transcript/report.ts'
import { indent, plain, sizeOf } from './lines.ts'

/** The report of `verify`, for people. */
export const reportLines = (report: Report): string[] => {
  const { transcript, problems, problemCount, messages } = report
  return [
    ...(transcript === null ? [] : subjectLines(report, transcript)),
    ...(messages === null ? [] : ['', ...messages.map(messageLine)]),
    ...(messages === null ? [] : ['']),
    ...problems.map(problemLine),
    ...(problemCount > problems.length ? [`! … and ${problemCount - problems.length} more`] : []),
    ...stepsOf(problems),
    verdictOf(report),
  ]
}

const subjectLines = (
  report: Report,
  { name, room, what, made, from, to, network }: NonNullable<Report['transcript']>,
) => {
  const { exporter, revocationList: list, records, hidden, membership } = report
  const by = exporter === null ? 'by nobody who proves it' : `by ${exporter.user}, device …${exporter.device.slice(-6)}`
  const range = [from === null ? '' : ` from ${when(from)}`, to === null ? '' : ` to ${when(to)}`].join('')
  const cut = report.logs.filter(({ prev }) => prev !== null)
  return [
    `${what === 'receipt' ? 'receipt of' : 'transcript of'} ${plain(name)} (${room.slice(0, 8)})${range}, made ${when(made)} ${by}`,
    `network ${network}`,
    ...(what === 'receipt' ? [] : [`${count(records, 'record')} in ${count(report.logs.length, 'log')}`]),
    list === null
      ? 'no revocation list: who was revoked can not be told'
      : `judged by revocation list ${list.number} of ${when(list.made)}${list.staleThen ? ', which was over its time then' : ''}`,
    ...report.authors.flatMap(({ user, device, revoked }) =>
      revoked === null ? [] : [`${user}, device …${device.slice(-6)}, was revoked on ${when(revoked)}`],
    ),
    ...cut.map(
      ({ user, first, prev }) =>
        `the log of ${user} is here from number ${first} on, chained to ${prev}: what came before is not here`,
    ),
    ...(membership === 'not-judged' && what === 'records'
      ? ['a part of a room: who was a member can not be told, and what vouches for whom may be missing']
      : []),
    ...(hidden === 0
      ? []
      : [
          `${count(hidden, 'record')} of these ${hidden === 1 ? 'counts' : 'count'} for nobody by the rules of the room`,
        ]),
  ]
}

const messageLine = ({ id, time, user, kind, text, emoji, on, file, of, counts }: TranscriptMessage): string => {
  const to = of === undefined ? '' : ` ${of.slice(0, 8)}`
  const said = {
    text: () => `${of === undefined ? '' : `(to${to}) `}${indent(plain(text ?? ''))}`,
    edit: () => `(changes${to}) ${indent(plain(text ?? ''))}`,
    delete: () => `(takes back${to})`,
    reaction: () => `(${on === true ? 'reacts to' : 'takes a reaction off'}${to}) ${plain(emoji ?? '')}`,
    file: () => `(offers a file) ${plain(file?.name ?? '')}, ${sizeOf(file?.size ?? 0)}`,
    unreadable: () => '(what is not in the protocol)',
    closed: () => '(its key is not here)',
    erased: () => '(erased: only its signature is left)',
  }[kind]()
  return `${counts ? ' ' : '?'} ${id.slice(0, 8)}  ${when(time)}  ${user}: ${said}`
}

const problemLine = ({ reason, user, device, seq, item, byte }: Problem): string => {
  const whose = user === undefined ? '' : `${user}${device === undefined ? '' : ` …${device.slice(-6)}`}`
  const number = seq === undefined ? '' : `, number ${seq}`
  const place = item === undefined ? '' : `item ${item}, byte ${byte}`
  const where = [`${whose}${number}`, place].filter((part) => part !== '').join('; ')
  return `! ${where === '' ? '' : `${where}: `}${plain(reason)}`
}

const stepsOf = (problems: readonly Problem[]): string[] =>
  [...new Set(problems.map(({ code }) => nextStepOf(refuse(code as Code))))].map((step) => `  next: ${step}`)

const verdictOf = ({ ok, problemCount, transcript, messages }: Report): string => {
  if (!ok) return `NOT VERIFIED: ${count(problemCount, 'problem')}`
  if (transcript?.what === 'receipt')
    return 'VERIFIED: the device that signed it held this at that time, by its own word and clock'
  const read = messages === null ? '' : ', and the texts are what they wrote'
  return `VERIFIED: each record was signed by the author that it names, none is missing or out of order${read}`
}

const when = (iso: string): string => dateText(Date.parse(iso))
const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`
