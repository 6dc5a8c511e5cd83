import type { Clock } from '../../shared/clock.ts'
import { ARRIVING_MS } from '../../shared/limits.ts'
import type { LogId } from '../store/records.ts'
import type { Log } from './log.ts'

/**
 * Calls for what others say that they hold and we do not. Under load that is mostly on its way to us: a log that grows here
 * just now is left to grow, since its records would come twice. Whatever stands still is called for at once.
 */
export type Arrivals = {
  /**
   * @param name one call of a name waits at a time; the one that waits stands for those that come meanwhile
   * @param lacking the logs that still lack something
   * @param call told at once where one of them stands still, and later when they have stopped growing
   */
  expect(name: string, lacking: () => readonly LogId[], call: () => void): void
  stop(): void
}

/** @param clock one that is never set back */
export const createArrivals = (log: Pick<Log, 'onAdvance'>, clock: Clock): Arrivals => {
  const grew = new Map<string, number>()
  const timers = new Map<string, NodeJS.Timeout>()
  const end = log.onAdvance((id) => grew.set(nameOf(id), clock.now()))
  const grows = (id: LogId): boolean => clock.now() - (grew.get(nameOf(id)) ?? Number.NEGATIVE_INFINITY) < ARRIVING_MS

  const expect: Arrivals['expect'] = (name, lacking, call) => {
    if (timers.has(name)) return
    const missing = lacking()
    if (missing.length === 0) return
    if (!missing.every(grows)) return call()
    const again = (): void => {
      timers.delete(name)
      expect(name, lacking, call)
    }
    timers.set(name, setTimeout(again, ARRIVING_MS))
  }
  return {
    expect,
    stop: () => {
      end()
      for (const timer of timers.values()) clearTimeout(timer)
      timers.clear()
    },
  }
}

const nameOf = ({ room, device, incarnation }: LogId): string => `${room}/${device}/${incarnation}`
