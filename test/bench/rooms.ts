import { growHeapFreely } from '../../peer/memory.ts'
import { temporaryFolder } from '../support/enrolment.ts'
import { type Bench, metric } from './figures.ts'
import { measureFloor } from './floor.ts'
import { roomCosts } from './room-costs.ts'
import { roomHistory } from './room-history.ts'
import { roomProcesses } from './room-processes.ts'
import { roomTravel } from './room-travel.ts'

/**
 * Private rooms of 2 to 1,000 members. Names end in the number of members, or of messages in the history. The baselines are
 * what an RSA-2048 signature, a verification, an X25519 agreement and an idle event loop cost in the same run; so ratios tell
 * more than figures of a machine that has other work.
 */
export const rooms: Bench = async (say) => {
  growHeapFreely() // as every program of ours does: with V8's own settings its collector holds up the loop for 20 to 40 ms
  const folder = await temporaryFolder()
  try {
    const floor = await measureFloor()
    say(
      `an RSA-2048 signature takes ${floor.signMs.toFixed(2)} ms; an idle event loop stalls ${floor.idleStallMs.toFixed(1)} ms`,
    )
    return {
      rsaSignPerSecond: metric(1_000 / floor.signMs, '1/s'),
      rsaVerifyPerSecond: metric(1_000 / floor.verifyMs, '1/s'),
      idleStallMs: metric(floor.idleStallMs, 'ms'),
      ...(await roomCosts(folder.path, floor, say)),
      ...(await roomTravel(folder.path, floor, say)),
      ...(await roomProcesses(folder.path, floor, say)),
      ...(await roomHistory(folder.path, floor, say)),
    }
  } finally {
    await folder.remove()
  }
}
