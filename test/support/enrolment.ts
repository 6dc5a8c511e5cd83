import type { KeyObject } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Ca, type CaParts, startCa } from '../../ca-node/ca.ts'
import { createCaKeys } from '../../ca-node/root-key.ts'
import { type EnrolDoor, type Enrolled, enrol } from '../../peer/identity/enrol.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Refusal } from '../../shared/errors.ts'
import { networkIdOfPin } from '../../shared/ids.ts'
import type { Invite } from '../../shared/invite.ts'
import { ENROLMENT_MAX_BYTES, INVITE_LIFETIME_MS } from '../../shared/limits.ts'
import { type Channel, openChannel } from '../../shared/network/channel.ts'
import { createNode, type Node, type Stream } from '../../shared/network/node.ts'
import { systemRandom } from '../../shared/random.ts'
import {
  type CaMessage,
  caCodec,
  enrolmentProtocol,
  type NewcomerMessage,
  newcomerCodec,
} from '../../shared/wire/enrolment.ts'
import { newKey, user } from './certificates.ts'

export const PASSPHRASE = 'a passphrase for tests'
export const PASSWORD = 'correct horse battery'

/** A clock that stands still until it is moved. */
export const manualClock = (start = Date.now()): Clock & { advance(ms: number): void } => {
  let now = start
  return {
    now: () => now,
    advance: (ms) => {
      now += ms
    },
  }
}

/** The machine's clock, which a test can put forward. */
export const runningClock = (): ReturnType<typeof manualClock> => {
  let ahead = 0
  return {
    now: () => Date.now() + ahead,
    advance: (ms) => {
      ahead += ms
    },
  }
}

export const temporaryFolder = async (): Promise<{ path: string; remove: () => Promise<void> }> => {
  const path = await mkdtemp(join(tmpdir(), 'lanyard-'))
  return { path, remove: () => rm(path, { recursive: true, force: true }) }
}

export type TestCa = Ca & {
  readonly home: string
  readonly clock: ReturnType<typeof manualClock>
  /** The operator's log so far. */
  readonly logged: readonly { readonly event: string; readonly facts: Readonly<Record<string, unknown>> }[]
  oneInvite(): Promise<Invite>
  /** Stops it for a while; its home stays. */
  turnOff(): Promise<void>
  /** Starts it again, at the same addresses. */
  turnOn(): Promise<void>
}

type TestCaOptions = Pick<CaParts, 'healthPort' | 'mode' | 'silenceMs'> & {
  readonly clock?: TestCa['clock']
  /** Called with each line of the operator's log, before the CA goes on. */
  readonly onLog?: (event: string, facts: Readonly<Record<string, unknown>>) => void
}

/** A CA with a root of its own, on loopback; its keys take a few seconds. */
export const testCa = async (options: TestCaOptions = {}): Promise<TestCa> => {
  const folder = await temporaryFolder()
  const home = join(folder.path, 'ca')
  const { clock = manualClock(), onLog, ...parts } = options
  const logged: { event: string; facts: Readonly<Record<string, unknown>> }[] = []
  const random = systemRandom
  await createCaKeys(home, { networkName: 'test', passphrase: PASSPHRASE, random, now: clock.now() })
  const start = (listen: readonly string[]): Promise<Ca> =>
    startCa({
      home,
      passphrase: PASSPHRASE,
      listen,
      clock,
      random,
      log: (event, facts) => {
        logged.push({ event, facts })
        onLog?.(event, facts)
      },
      ...parts,
    })
  const first = await start(['/ip4/127.0.0.1/tcp/0'])
  let current = first
  let on = true
  const turnOff = async (): Promise<void> => {
    if (on) await current.stop()
    on = false
  }
  const stop = async (): Promise<void> => {
    await turnOff()
    await folder.remove()
  }
  const invite: Ca['invite'] = (order) => current.invite(order)
  return {
    ...first, // what does not change from one start to the next
    invite,
    users: () => current.users(),
    crl: () => current.crl(), // also of one that is off: the last
    revoke: (target, reason) => current.revoke(target, reason),
    home,
    clock,
    logged,
    oneInvite: async () => {
      const [one] = await invite({ count: 1, lifetimeMs: INVITE_LIFETIME_MS })
      if (one === undefined) throw new Error('no invite')
      return one
    },
    turnOff,
    turnOn: async () => {
      current = await start(first.addresses)
      on = true
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

export type Newcomer = AsyncDisposable & { readonly key: KeyObject; readonly node: Node }

/** A device that nobody knows yet. */
export const newcomer = async (key: KeyObject = newKey()): Promise<Newcomer> => {
  const node = await createNode({ key, listen: [] })
  return { key, node, [Symbol.asyncDispose]: () => node.stop() }
}

/** The real newcomer's side, with a name, a good password, and whatever is changed. */
export const enrolAs = (
  device: Newcomer,
  clock: Clock,
  parts: {
    readonly user: string
    readonly invite: Invite
    readonly door?: EnrolDoor
    readonly password?: string
    readonly signal?: AbortSignal
  },
): Promise<Enrolled | Refusal> =>
  enrol({ node: device.node, key: device.key, clock, password: PASSWORD, ...parts, user: user(parts.user) })

export type RawLine = Channel<CaMessage, NewcomerMessage> & { readonly stream: Stream }

/** A newcomer's line on which a test may say anything. */
export const rawLine = async (device: Newcomer, invite: Invite): Promise<RawLine> => {
  const addresses = invite.addresses.map((address) => `${address}/p2p/${invite.caPeerId}`)
  const connection = await device.node.dial(addresses)
  const stream = await device.node.open(connection, enrolmentProtocol(networkIdOfPin(invite.pin)))
  const words = { incoming: caCodec, outgoing: newcomerCodec }
  return { ...openChannel(stream, words, { maxFrameBytes: ENROLMENT_MAX_BYTES }), stream }
}
