import { type Refusal, refuse } from '../shared/errors.ts'
import type { UserName } from '../shared/ids.ts'

/** Names that would be taken for somebody in charge, or for everybody. */
const RESERVED = [
  'admin',
  'administrator',
  'all',
  'anonymous',
  'bot',
  'ca',
  'channel',
  'everyone',
  'general',
  'here',
  'lanyard',
  'me',
  'nobody',
  'null',
  'operator',
  'root',
  'security',
  'server',
  'support',
  'system',
  'undefined',
  'you',
]

/**
 * What is left of a name when all that looks alike is one: two users may not share it. Names are `[a-z0-9._-]` already,
 * so Unicode's table of confusables comes down to these.
 */
export const skeletonOf = (name: string): string =>
  name
    .replaceAll(/[._]/g, '-')
    .replaceAll('0', 'o')
    .replaceAll(/[1i]/g, 'l')
    .replaceAll('rn', 'm')
    .replaceAll('vv', 'w')

const RESERVED_SKELETONS = new Set(RESERVED.map(skeletonOf))

/** Null, or `name-reserved`. */
export const checkReserved = (name: UserName): Refusal | null =>
  RESERVED_SKELETONS.has(skeletonOf(name)) ? refuse('name-reserved', name) : null
