import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryFolder } from '../support/enrolment.ts'
import { startCaHost } from './ca-host.ts'
import { type Child, startChild } from './child.ts'
import type { CrowdOrder, CrowdReport, Whereabouts } from './crowd-process.ts'
import { type Bench, median, metric, nowMs } from './figures.ts'

const PEERS = 20
const PROCESSES = 2
const REVOCATIONS = 11

type Crowd = Child<CrowdOrder, CrowdReport>

/**
 * From the start of `npm run ca -- revoke` as a process until the last of 20 peers, which all have sessions with each other
 * and with the one who goes, has ended its session with that one. All are enrolled with the CA, and connected with it.
 */
export const cuts: Bench = async (say) => {
  const folder = await temporaryFolder()
  await using ends = new AsyncDisposableStack()
  ends.defer(folder.remove)
  const ca = ends.use(await startCaHost(folder.path))
  const invites = [...(await ca.invites(PEERS + REVOCATIONS))]
  const startCrowd = async (name: string): Promise<Crowd> => {
    const home = join(folder.path, name)
    await mkdir(home)
    return ends.use(startChild<CrowdOrder, CrowdReport>('crowd-process.ts', home))
  }
  const crowds = await Promise.all(Array.from({ length: PROCESSES }, (_, at) => startCrowd(`crowd${at}`)))
  const hire = async (crowd: Crowd, user: string): Promise<Whereabouts> => {
    crowd.tell({ do: 'hire', user, invite: invites.pop() ?? '' })
    const { peer, addresses } = await crowd.next('hired')
    await crowd.next('sighted')
    return { peer, addresses }
  }
  const staff = await Promise.all(
    crowds.map(async (crowd, at) => {
      const hired: Whereabouts[] = []
      for (let count = 0; count < PEERS / PROCESSES; count++) hired.push(await hire(crowd, `staff${at}-${count}`))
      return hired
    }),
  )
  for (const crowd of crowds) crowd.tell({ do: 'meet', others: staff.flat() })
  await Promise.all(crowds.map((crowd) => taken(crowd, (PEERS / PROCESSES) * (PEERS - 1))))
  say(`${PEERS} peers have sessions with each other`)

  const outside = await startCrowd('outside')
  const tookMs: number[] = []
  const commandMs: number[] = []
  for (let round = 0; round < REVOCATIONS; round++) {
    const user = `leaver${round}`
    await hire(outside, user)
    outside.tell({ do: 'meet', others: staff.flat() })
    await Promise.all([taken(outside, PEERS), ...crowds.map((crowd) => taken(crowd, PEERS / PROCESSES))])
    const began = nowMs()
    const revoked = ca.run(['revoke', user, '--yes']).then(() => commandMs.push(nowMs() - began))
    const last = await Promise.all(crowds.map((crowd) => lastCut(crowd, user, PEERS / PROCESSES)))
    tookMs.push(Math.max(...last) - began)
    await revoked
    outside.tell({ do: 'dismiss', user })
    await outside.next('dismissed')
    say(`revocation ${round + 1} of ${REVOCATIONS}: ${tookMs.at(-1)?.toFixed(0)} ms`)
  }
  return {
    revocationP50Ms: metric(median(tookMs), 'ms'),
    revocationMaxMs: metric(Math.max(...tookMs), 'ms'),
    revocationCommandMs: metric(median(commandMs), 'ms'),
  }
}

/** Waits until so many sessions have begun at the peers of this crowd since it was last asked. */
const taken = async (crowd: Crowd, count: number): Promise<void> => {
  for (let at = 0; at < count; at++) await crowd.next('session')
}

/** When the last of the crowd's peers has cut that user. */
const lastCut = async (crowd: Crowd, user: string, count: number): Promise<number> => {
  let last = 0
  for (let at = 0; at < count; at++) {
    const cut = await crowd.next('cut')
    if (!cut.others.includes(user)) throw new Error(`${cut.user} cut ${cut.others.join(', ')} and not ${user}`)
    last = Math.max(last, cut.at)
  }
  return last
}
