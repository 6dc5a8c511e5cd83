import { isRefusal } from '../../shared/errors.ts'
import { EPOCH_MESSAGES } from '../../shared/limits.ts'
import type { RecordHeader } from '../../shared/wire/record.ts'
import type { ReaderChain } from '../store/keys.ts'
import { skipTo, wipe } from './sender-key.ts'

/**
 * A reader's chain behind a message of its log that was opened, by the chain or by a key from elsewhere: it must not open
 * that again. A message of a later epoch ends it. The chain itself when it is as far already.
 */
export const movedPast = (
  chain: ReaderChain,
  opened: Pick<NonNullable<RecordHeader['key']>, 'epoch' | 'index'>,
): ReaderChain => {
  const end = opened.epoch > chain.epoch ? EPOCH_MESSAGES : opened.index + 1
  if (opened.epoch < chain.epoch || end <= chain.nextIndex) return chain
  if (end >= EPOCH_MESSAGES) return { ...chain, nextIndex: EPOCH_MESSAGES, chain: SPENT }
  const skipped = skipTo({ index: chain.nextIndex, key: chain.chain }, opened.index)
  if (isRefusal(skipped)) return chain
  wipe(...skipped.keys.map(({ messageKey }) => messageKey))
  return { ...chain, nextIndex: skipped.next.index, chain: skipped.next.key }
}

/** No index is left, so this is the key of none. */
const SPENT = new Uint8Array(32)
