import type { KeyObject } from 'node:crypto'
import { rootsOf } from '../shared/certificate/lineage.ts'
import type { Clock } from '../shared/clock.ts'
import { isRefusal } from '../shared/errors.ts'
import { networkIdOf, type PeerId } from '../shared/ids.ts'
import { ENROLMENT_REQUEST_MAX_BYTES, RECOVERY_ASK_MS } from '../shared/limits.ts'
import { openChannel } from '../shared/network/channel.ts'
import { exchangeLists } from '../shared/network/list-exchange.ts'
import { type Connection, createNode, type Stream } from '../shared/network/node.ts'
import { peerIdOf } from '../shared/network/peer-id.ts'
import { caCodec, enrolmentProtocol, newcomerCodec } from '../shared/wire/enrolment.ts'
import { revocationProtocol } from '../shared/wire/revocation.ts'
import type { Database } from './database.ts'
import type { Log } from './enrolment-handler.ts'
import { noteAsked, readRecovery } from './recovery.ts'
import type { CaIdentity } from './root-key.ts'
import type { TakingOver } from './taking-over.ts'

export type AskParts = {
  readonly database: Database
  readonly identity: CaIdentity
  readonly caKey: KeyObject
  readonly takingOver: TakingOver
  readonly clock: Clock
  readonly log: Log
  /** Milliseconds that all of it may take; RECOVERY_ASK_MS unless told otherwise. */
  readonly timeoutMs?: number
}

/**
 * After a restore, before the first list: dials the devices where they said that they listen, and takes their lists over.
 * A device that its CA dials tells it what it holds. Who is away, or holds more than was heard in time, is asked when it
 * comes by itself: nothing of it is lost, and it is taken over then.
 */
export const askDevices = async (parts: AskParts): Promise<void> => {
  const { database, identity, takingOver, log } = parts
  const recovery = await readRecovery(database)
  if (recovery === null || recovery.asked) return
  const devices = await devicesOf(database)
  const over = AbortSignal.timeout(parts.timeoutMs ?? RECOVERY_ASK_MS)
  const timeIsUp = new Promise<void>((resolve) => over.addEventListener('abort', () => resolve()))
  const answered = new Set<PeerId>()
  const waiting = new Map<PeerId, () => void>()
  let revocations = 0
  // It listens nowhere: whoever looks for the CA finds it once it is ready.
  const node = await createNode({ key: parts.caKey, listen: [] })
  try {
    await node.handle(revocationProtocol(identity.anchor.network), async (stream, connection) => {
      const peer = peerIdOf(connection.remotePeer)
      const done = (): void => {
        answered.add(peer)
        waiting.get(peer)?.()
      }
      await exchangeLists(stream, {
        number: () => 0,
        der: () => null,
        kept: () => [],
        generation: () => identity.anchor.generation,
        successionsAfter: () => [],
        follow: () => undefined, // when it comes by itself
        onNewer: () => () => undefined,
        answer: async (theirs) => {
          const answer = await takingOver.answer(theirs)
          if (answer >= theirs) done()
          return Math.min(answer, theirs)
        },
        take: async (der) => {
          const added = await takingOver.take(der, peer)
          if (isRefusal(added)) return waiting.get(peer)?.() // no answer, and nothing to wait for
          revocations += added
          done()
        },
      })
    })
    for (const { certificate } of rootsOf(identity.anchor)) {
      await node.handle(enrolmentProtocol(networkIdOf(certificate.spki)), turnAway)
    }
    // Nobody waits for who has hung up.
    node.onDisconnection(({ remotePeer }) => waiting.get(peerIdOf(remotePeer))?.())
    const ask = async ({ peer, addresses }: Device): Promise<void> => {
      const { promise, resolve } = Promise.withResolvers<void>()
      waiting.set(peer, resolve)
      const connection: Connection | null = await node.dial(addresses, { signal: over }).catch(() => null)
      if (connection === null) return
      await Promise.race([promise, timeIsUp])
      await connection.close({ signal: over }).catch(() => undefined)
    }
    await Promise.all(devices.map(ask))
  } finally {
    await node.stop()
  }
  await noteAsked(database, { time: parts.clock.now(), asked: devices.length, answered: answered.size, revocations })
  log('devices-asked', { asked: devices.length, answered: answered.size, revocations })
}

/** A device that is due for renewal may take the call for its chance. */
const turnAway = async (stream: Stream): Promise<void> => {
  const words = { incoming: newcomerCodec, outgoing: caCodec }
  const line = openChannel(stream, words, { maxFrameBytes: ENROLMENT_REQUEST_MAX_BYTES })
  await line.send({ kind: 'refused', code: 'busy' })
  await line.close()
}

type Device = { readonly peer: PeerId; readonly addresses: readonly string[] }

/** Those that are not out, by what the database knows, and have told where they listen. */
const devicesOf = async (database: Database): Promise<readonly Device[]> => {
  const rows = await database
    .selectFrom('devices')
    .select(['peer_id as peer', 'addresses'])
    .where('revoked_at', 'is', null)
    .execute()
  return rows.flatMap(({ peer, addresses }) => {
    const own = (JSON.parse(addresses) as string[]).map((address) => `${address.replace(/\/p2p\/.*$/, '')}/p2p/${peer}`)
    return own.length === 0 ? [] : [{ peer: peer as PeerId, addresses: own }]
  })
}
