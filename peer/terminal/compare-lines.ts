import { toString as drawQr } from 'qrcode'
import type { ComparisonJson } from '../api/operations/compare.ts'

/** What is held beside the other person's screen: the number in three lines, the QR code, and what it covers. */
export const comparisonLines = async ({
  user,
  number,
  link,
  ours,
  theirs,
  state,
}: ComparisonJson): Promise<string[]> => [
  `Compare with ${user}, in person or on a call. Their screen must show the same number:`,
  ...[0, 4, 8].map((from) => `    ${number.slice(from, from + 4).join('  ')}`),
  (await drawQr(link, { type: 'utf8', errorCorrectionLevel: 'L' })).trimEnd(),
  link,
  `It covers ${devices(ours)} of yours and ${devices(theirs)} of ${user}. ${STATES[state]}`,
]

const devices = ({ length }: readonly unknown[]): string => `${length} ${length === 1 ? 'device' : 'devices'}`

const STATES = {
  no: 'You have not compared before.',
  yes: 'You have compared these keys before.',
  changed: 'You have compared before, and a device has come since: ask whether it is theirs.',
} as const

export const markedLine = (user: string): string => `* ${user} is compared: a new device of theirs will be told loudly`
