import type { Clock } from '../../shared/clock.ts'
import { PREKEY_AT_START_MS, PREKEY_ERASE_MS } from '../../shared/limits.ts'
import type { Random } from '../../shared/random.ts'
import type { KeyStore, OwnPrekey } from '../store/keys.ts'
import { generatePrekeyPair, SUITE } from './boxes.ts'
import { type Prekey, prekeyIdOf, prekeyRotationDue } from './prekeys.ts'
import { wipe } from './sender-key.ts'

export type OwnPrekeys = {
  /** The prekey that others seal to; `fresh` when it was made just now and has to be published. */
  current(): Promise<{ readonly prekey: Prekey; readonly fresh: boolean }>
}

/** Keeps our prekeys: a new one when the present one is due, and the old ones erased when their time is over. */
export const createOwnPrekeys = (keys: KeyStore, clock: Clock, random: Random): OwnPrekeys => {
  let starting = true
  /** A start rotates too, but a script that starts a program each second must not fill the directory. */
  const due = (present: OwnPrekey, now: number): boolean =>
    prekeyRotationDue(present, now) || (starting && now >= present.created + PREKEY_AT_START_MS)

  const current: OwnPrekeys['current'] = async () => {
    const now = clock.now()
    keys.erasePrekeys(now - PREKEY_ERASE_MS)
    const present = keys.currentPrekey()
    if (present !== null) wipe(present.secret) // only its name is asked for here
    if (present !== null && !due(present, now)) return { prekey: toPrekey(present), fresh: false }
    const pair = await generatePrekeyPair(random)
    const made = { id: prekeyIdOf(pair.publicKey), publicKey: pair.publicKey, secret: pair.secretKey, created: now }
    keys.rotatePrekey(made, now)
    wipe(made.secret)
    return { prekey: toPrekey(made), fresh: true }
  }
  return {
    current: async () => {
      const answer = await current()
      starting = false
      return answer
    },
  }
}

const toPrekey = ({ id, publicKey, created }: OwnPrekey): Prekey => ({ id, suite: SUITE, publicKey, created })
