import type { Epoch } from '../../shared/ids.ts'
import type { KeyStore, ReaderChain } from '../store/keys.ts'
import type { LogId } from '../store/records.ts'

/** How far we have gone along others' sender keys: in memory as they are used, and written once a transaction. */
export type ReaderChains = {
  /** Null: its sender key never came here. */
  of(log: LogId, epoch: Epoch): ReaderChain | null
  /** Begins a chain, or moves it on. */
  set(chain: ReaderChain): void
  /** Writes what has moved; within the transaction that stores what was opened with it. */
  flush(): void
  /** Forgets what is only in memory, after a transaction that failed. */
  forget(): void
}

const ABSENT_REMEMBERED = 10_000 // an author has a sender key a day, or a thousand messages

export const createReaderChains = (keys: Pick<KeyStore, 'chain' | 'setChain'>): ReaderChains => {
  const chains = new Map<string, ReaderChain>()
  /** Those that the store has not: who catches up with a history asks for them with each message. */
  const absent = new Set<string>()
  const moved = new Set<string>()
  return {
    of: (log, epoch) => {
      const name = nameOf(log, epoch)
      const loaded = chains.get(name)
      if (loaded !== undefined || absent.has(name)) return loaded ?? null
      const known = keys.chain(log.room, log.device, log.incarnation, epoch)
      if (known !== null) chains.set(name, known)
      else if (absent.size < ABSENT_REMEMBERED) absent.add(name)
      return known
    },
    set: (chain) => {
      const name = nameOf(chain, chain.epoch)
      chains.set(name, chain)
      absent.delete(name)
      moved.add(name)
    },
    flush: () => {
      for (const name of moved) {
        const chain = chains.get(name)
        if (chain !== undefined) keys.setChain(chain)
      }
      moved.clear()
    },
    forget: () => {
      chains.clear()
      absent.clear()
      moved.clear()
    },
  }
}

const nameOf = ({ room, device, incarnation }: LogId, epoch: Epoch): string =>
  `${room}/${device}/${incarnation}/${epoch}`
