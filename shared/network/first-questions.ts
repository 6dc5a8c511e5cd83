import type { Startable } from '@libp2p/interface'
import { type MulticastDNSComponents, mdns } from '@libp2p/mdns'
import { MDNS_FIRST_QUESTIONS_MS, MDNS_SENDING_MS } from '../limits.ts'

/**
 * Asks for others a few times more in the first seconds (RFC 6762 §5.2): `@libp2p/mdns` asks once, then not for ten
 * seconds, and a single multicast packet is easily lost on Wi-Fi or while the link comes up.
 */
export const firstQuestions =
  (serviceTag: string) =>
  (components: MulticastDNSComponents): Startable => {
    // It can't be told to ask, but asks whenever it starts. The answers are multicast: the node's own mDNS hears them.
    const asker = mdns({ serviceTag, broadcast: false })(components) as ReturnType<ReturnType<typeof mdns>> & Startable
    const timers = new Set<NodeJS.Timeout>()
    const at = (ms: number, act: () => void | Promise<void>): void => {
      const timer = setTimeout(() => {
        timers.delete(timer)
        // Without a network there is nobody to ask, now; the next question may find one.
        Promise.resolve(act()).catch(() => undefined)
      }, ms)
      timers.add(timer)
    }
    return {
      start: () => {
        for (const ms of MDNS_FIRST_QUESTIONS_MS) {
          at(ms, () => asker.start())
          at(ms + MDNS_SENDING_MS, () => asker.stop())
        }
      },
      stop: async () => {
        for (const timer of timers) clearTimeout(timer)
        timers.clear()
        await asker.stop()
      },
    }
  }
