import type { Life } from '../simulation/device.ts'
import { SimulatedConnection } from '../simulation/network.ts'
import type { Hand } from './crew.ts'

/** Wires between devices of this process: nothing is lost, and each piece comes with the next turn of the event loop. */
export const createWires = () => {
  let bytes = 0
  let connections = 0
  const connect = (dialer: Life, listener: Life): void => {
    const id = `m${connections++}`
    const ends: SimulatedConnection[] = []
    let open = true
    const wire = {
      get ends() {
        return ends as unknown as readonly [SimulatedConnection, SimulatedConnection]
      },
      window: WINDOW_BYTES,
      carryFrom: () => (length: number, _what: string, arrive: () => void) => {
        bytes += length
        setImmediate(() => {
          if (open) arrive()
        })
      },
      cut: () => {
        if (!open) return
        open = false
        for (const end of ends) setImmediate(() => end.lost())
      },
      stall: () => undefined,
      free: () => undefined,
      get open() {
        return open
      },
    }
    const mine = new SimulatedConnection(`${id}a`, 'outbound', dialer.host, listener.host.peer, wire)
    const theirs = new SimulatedConnection(`${id}b`, 'inbound', listener.host, dialer.host.peer, wire)
    ends.push(mine, theirs)
    setImmediate(() => {
      dialer.host.connected(mine)
      listener.host.connected(theirs)
    })
  }
  return {
    /** Everybody with everybody. */
    join: (hands: readonly Hand[]): void => {
      for (const [at, { life }] of hands.entries()) {
        for (const other of hands.slice(at + 1)) connect(life, other.life)
      }
    },
    /** Bytes of all streams since this was last asked, before Noise and Yamux, which add 30 to each frame. */
    bytes: (): number => {
      const sent = bytes
      bytes = 0
      return sent
    },
  }
}

const WINDOW_BYTES = 1024 * 1024 // as our Yamux has it
