import { isRefusal } from '../../shared/errors.ts'
import type { NetworkId, PeerId } from '../../shared/ids.ts'
import { BOXES_AT_ONCE } from '../../shared/limits.ts'
import type { Random } from '../../shared/random.ts'
import type { SenderKeyBody } from '../../shared/wire/bodies.ts'
import { turn } from '../log/turns.ts'
import { sealBox } from './boxes.ts'
import type { Prekey } from './prekeys.ts'
import type { SenderKeyContext } from './sender-key.ts'

/** A device, and the prekey that is sealed to. */
type Addressee = { readonly peer: PeerId; readonly prekey: Pick<Prekey, 'id' | 'publicKey'> }

/** What is sealed, and for which place. */
type Sealing = {
  readonly network: NetworkId
  readonly context: SenderKeyContext
  readonly secret: Uint8Array
  readonly random: Random
}

/**
 * Boxes of a sender key for these recipients; a few at a time: a key for 1,000 members is sealed in 0.3 s. A prekey that
 * can't be sealed to gets none, and keeps nobody else from reading; its owner asks the key service.
 */
export const sealBoxes = async (
  recipients: readonly Addressee[],
  { network, context, secret, random }: Sealing,
): Promise<SenderKeyBody['boxes']> => {
  const boxFor = async ({ peer, prekey }: Addressee) => {
    const info = { network, ...context, recipient: peer, prekey: prekey.id }
    const box = await sealBox(prekey.publicKey, info, secret, random)
    return isRefusal(box) ? [] : [{ to: peer, prekey: prekey.id, box }]
  }
  const boxes: SenderKeyBody['boxes'][number][] = []
  for (let at = 0; at < recipients.length; at += BOXES_AT_ONCE) {
    const some = recipients.slice(at, at + BOXES_AT_ONCE)
    boxes.push(...(await Promise.all(some.map(boxFor))).flat())
    if (some.length === BOXES_AT_ONCE) await turn()
  }
  return boxes
}
