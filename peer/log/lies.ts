import type { Code, Refusal } from '../../shared/errors.ts'

/**
 * Whether a record was refused for something that no honest member sends, nor passes on: whoever sent it made it up, or did
 * not look. What depends on the time, or on what a member knows (a removal, a revocation, an earlier record), is no lie.
 */
export const isLie = ({ code }: Refusal): boolean => LIES.has(code)

const LIES: ReadonlySet<Code> = new Set<Code>([
  'record-malformed',
  'record-wrong-body',
  'record-wrong-room',
  'record-wrong-author',
  'record-bad-signature',
  'certificate-malformed',
  'certificate-wrong-algorithm',
  'certificate-self-signed',
  'certificate-wrong-root',
  'certificate-bad-signature',
  'certificate-wrong-key',
  'certificate-wrong-profile',
])
