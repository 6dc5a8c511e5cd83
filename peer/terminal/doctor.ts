import { nextStepOf, refusalOf, refuse, wordsOf } from '../../shared/errors.ts'
import { CLOCK_SKEW_MS, DAY_MS } from '../../shared/limits.ts'
import { sightings, status } from '../api/operations/device.ts'
import { readRunning } from '../api/running.ts'
import { downloadsOf } from '../home.ts'
import { readProfile } from '../identity/keystore.ts'
import { readSettings } from '../settings.ts'
import { lookAtDisk, lookAtHome, lookAtMulticast, lookAtNetwork, lookAtPort, lookForCa } from './doctor-machine.ts'
import { bad, doctorJson, type Finding, findingLines, good, verdictOf, warning } from './finding.ts'
import { answer, type Order, until } from './once.ts'
import type { Options } from './program-options.ts'
import { type Helper, withClient } from './with-peer.ts'

/** Says why peers are not found, and what else is not as it should be. @returns whether anything is bad */
export const doctor = async (options: Options, order: Order, now: () => number): Promise<boolean> => {
  const { home } = options
  const profile = await readProfile(home)
  const running = await readRunning(home)
  const downloads = downloadsOf(home, await readSettings(home))
  const looks: (() => Finding | Promise<Finding>)[] = [
    () => lookAtHome(home),
    () => lookAtDisk(home),
    ...(downloads.startsWith(home) ? [] : [() => lookAtDisk(downloads)]),
    () => lookAtPort(home, running),
    lookAtNetwork,
    ...(options.mdns ? [lookAtMulticast] : []),
    () => lookForCa(profile),
  ]
  const findings = await Promise.all(looks.map(async (look) => await lookOrSay(look)))
  try {
    await withClient(options, { command: 'doctor' }, async (helper) => {
      findings.push(...(await lookAtDevice(helper, order.waitMs, now())))
    })
  } catch (error) {
    const refusal = refusalOf(error)
    findings.push(bad('device', wordsOf(refusal), nextStepOf(refusal)))
  }
  const verdict = verdictOf(findings)
  const end = { good: 'all is well', warning: 'it works; see the notes', bad: 'something is wrong: see BAD' }[verdict]
  answer(order, doctorJson, { findings, verdict }, [...findingLines(findings), end])
  return verdict === 'bad'
}

const lookOrSay = async (look: () => Finding | Promise<Finding>): Promise<Finding> => {
  try {
    return await look()
  } catch (error) {
    const refusal = refusalOf(error)
    return bad('machine', wordsOf(refusal), nextStepOf(refusal))
  }
}

const lookAtDevice = async ({ client, settled }: Helper, waitMs: number, now: number): Promise<Finding[]> => {
  const isFound = async (): Promise<boolean> => {
    const { peers, ca } = await client.call(status, {})
    return peers > 0 && ca.seen !== null
  }
  if (!settled) await until(client, waitMs, isFound)
  const told = await client.call(status, {})
  const { certificate, revocationList: list, ca, peers } = told
  return [
    clockFinding(told, now),
    certificateFinding(certificate, now),
    ca.seen === null
      ? warning('CA link', 'the CA was not reached since this start', 'look whether it runs; see `CA` above')
      : good('CA link', `the CA was seen at ${ca.seen}`),
    list.number === 0
      ? warning('revocations', 'there is no revocation list yet', 'it comes with the first peer, or the CA')
      : list.stale
        ? warning('revocations', list.reason ?? 'the list is stale', list.next ?? '')
        : good('revocations', `list number ${list.number} of ${list.made}, good until ${list.until}`),
    ...(await peerFindings(client, peers, told.users)),
  ]
}

type Status = Awaited<ReturnType<typeof statusOf>>
const statusOf = ({ client }: Helper) => client.call(status, {})

/** The certificate and the list were made by the CA's clock: one that is before them is wrong. */
const clockFinding = ({ certificate, revocationList: { made } }: Status, now: number): Finding => {
  const newest = Math.max(Date.parse(certificate.from), made === null ? 0 : Date.parse(made))
  return now < newest - CLOCK_SKEW_MS
    ? bad(
        'clock',
        `it is before what the CA has made at ${new Date(newest).toISOString()}`,
        'set the clock of this machine',
      )
    : good('clock', `agrees with what the CA has made: ${new Date(now).toISOString()}`)
}

const certificateFinding = ({ until: end }: Status['certificate'], now: number): Finding => {
  const left = Date.parse(end) - now
  const words = `good until ${end}`
  if (left <= 0) return bad('certificate', `over since ${end}`, nextStepOf(refuse('certificate-expired')))
  return left < DAY_MS
    ? warning('certificate', words, 'renew it while the CA runs: lanyard renew')
    : good('certificate', words)
}

const peerFindings = async (client: Helper['client'], peers: number, users: number): Promise<Finding[]> => {
  const { sightings: seen } = await client.call(sightings, {})
  const missing = seen
    .filter(({ present }) => !present)
    .map(({ device, source, addresses, reason, next }) =>
      warning(
        'peer',
        `…${device.slice(-6)}, known by ${source}: ${reason ?? `not reached yet (${addresses.join(' ')})`}`,
        next ?? 'look whether it runs, and whether a firewall is in between',
      ),
    )
  if (peers > 0) return [good('peers', `${peers} other ${peers === 1 ? 'device is' : 'devices are'} here`), ...missing]
  const alone = users > 1 ? 'nobody else is here' : 'nobody else is in this network yet'
  const next =
    seen.length > 0
      ? 'see each peer below'
      : 'neither multicast nor a known address has shown a peer: are they on this network, and not on a guest Wi-Fi?'
  return [warning('peers', alone, next), ...missing]
}
