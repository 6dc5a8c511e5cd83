import type { Clock } from '../../shared/clock.ts'
import type { Epoch } from '../../shared/ids.ts'
import { CHAIN_ERASE_AWAY_MS, CHAIN_ERASE_MS } from '../../shared/limits.ts'
import type { KeyStore, ReaderChain } from '../store/keys.ts'
import type { LogId } from '../store/log-id.ts'
import { wipe } from './sender-key.ts'

/** How far we have gone along others' sender keys: in memory as they are used, and written once a transaction. */
export type ReaderChains = {
  /** Null when its sender key was never here; no key in it once that is erased. */
  get(log: LogId, epoch: Epoch): ReaderChain | null
  /** Begins a chain, or moves it on. */
  set(log: LogId, epoch: Epoch, chain: Pick<ReaderChain, 'nextIndex' | 'chain'>): void
  /** Writes what has moved; within the transaction that stores what it opened. */
  flush(): void
  /** Forgets what is only in memory, after a transaction that failed. */
  forget(): void
  /**
   * Erases those that came long ago: of a message that is erased before it gets here, the ciphertext may be in anybody's
   * hands. Later at the first call, at a start: what was said under them while we were away is still to come.
   */
  erase(): void
}

const ABSENT_REMEMBERED = 10_000 // an author has a sender key a day, or a thousand messages

export const createReaderChains = (keys: KeyStore, clock: Clock): ReaderChains => {
  const chains = new Map<string, ReaderChain>()
  /** Those that the store has not: who catches up with a history asks for them with each message. */
  const absent = new Set<string>()
  const moved = new Set<string>()
  let isFirst = true
  return {
    get: (log, epoch) => {
      const name = nameOf(log, epoch)
      const loaded = chains.get(name)
      if (loaded !== undefined || absent.has(name)) return loaded ?? null
      const known = keys.chain(log.room, log.device, log.incarnation, epoch)
      if (known !== null) chains.set(name, known)
      else if (absent.size < ABSENT_REMEMBERED) absent.add(name)
      return known
    },
    set: ({ room, device, incarnation }, epoch, { nextIndex, chain }) => {
      const name = nameOf({ room, device, incarnation }, epoch)
      chains.set(name, { room, device, incarnation, epoch, nextIndex, chain })
      absent.delete(name)
      moved.add(name)
    },
    flush: () => {
      for (const name of moved) {
        const chain = chains.get(name)
        if (chain !== undefined) keys.setChain(chain, clock.now())
      }
      moved.clear()
    },
    forget: () => {
      chains.clear()
      absent.clear()
      moved.clear()
    },
    erase: () => {
      if (keys.eraseChains(clock.now() - (isFirst ? CHAIN_ERASE_AWAY_MS : CHAIN_ERASE_MS))) {
        for (const [name, { chain }] of chains) {
          if (moved.has(name)) continue
          wipe(chain) // of what is not erased, the store has the same
          chains.delete(name)
        }
      }
      isFirst = false
    },
  }
}

const nameOf = (log: LogId, epoch: Epoch): string => `${log.room}/${log.device}/${log.incarnation}/${epoch}`
