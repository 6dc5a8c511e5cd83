import { type Core, createCore } from '../../peer/core.ts'
import type { PeerEvent } from '../../peer/events.ts'
import { type KeyService, startKeyService } from '../../peer/group/key-service.ts'
import { createOwnPrekeys } from '../../peer/group/own-prekeys.ts'
import { createRoots } from '../../peer/identity/roots.ts'
import { type ParsedRecord, parseRecord } from '../../peer/log/record.ts'
import { createAllowance } from '../../peer/network/allowance.ts'
import { startRevocationExchange } from '../../peer/network/revocation-handler.ts'
import { openRevocations, type Revocations } from '../../peer/network/revocations.ts'
import { createSessions, type Session, type Sessions } from '../../peer/network/sessions.ts'
import { type Roads, startRoads } from '../../peer/roads.ts'
import { startOwnEntry } from '../../peer/rooms/own-entry.ts'
import { startPulse } from '../../peer/rooms/pulse.ts'
import { openStores, type Stores } from '../../peer/store/stores.ts'
import { type TrustAnchor, type VerifiedDevice, verifyDevice } from '../../shared/certificate/verify.ts'
import { fault, isRefusal, type Refusal, refusalOf, refuse } from '../../shared/errors.ts'
import type { PeerId, RoomId, UserName } from '../../shared/ids.ts'
import type { Gossip } from '../../shared/network/gossip.ts'
import type { Connection, Node, Stream } from '../../shared/network/node.ts'
import type { Random } from '../../shared/random.ts'
import { keysProtocol } from '../../shared/wire/keys.ts'
import type { Drive } from './disk.ts'
import type { SimulatedGossip } from './gossip-cloud.ts'
import type { Host, SimulatedConnection } from './network.ts'
import type { Person } from './people.ts'
import type { Owner } from './scheduler.ts'

/** One life of a simulated device: the parts that ship, but for libp2p, over a simulated network. */
export type Life = {
  readonly owner: Owner
  readonly drive: Drive
  readonly stores: Stores
  readonly core: Core
  readonly revocations: Revocations
  readonly sessions: Sessions
  readonly keyService: KeyService
  readonly host: Host
  readonly node: Node
  readonly gossip: SimulatedGossip
  /** Waits for what the device does by itself. @returns whether it did anything */
  rest(): Promise<boolean>
  /** Ends it in good order. */
  stop(): Promise<void>
}

export type LifeParts = {
  readonly anchor: TrustAnchor
  readonly person: Person
  readonly owner: Owner
  readonly drive: Drive
  readonly storeKey: Uint8Array
  readonly random: Random
  /** Milliseconds since the epoch, as this device's clock has it. */
  readonly now: () => number
  /** Milliseconds since the run began. */
  readonly lived: () => number
  readonly gossip: SimulatedGossip
  readonly flaws: Flaws
  /** Something that a thread works on; it is waited for. */
  readonly busy: <T>(work: Promise<T>) => Promise<T>
  readonly onEvent: (event: PeerEvent) => void
  /** Records of its own are signed, and leave the house. */
  readonly onSigned: (records: readonly ParsedRecord[]) => void
}

/** What a device may lack; all of it is there unless a test takes it away, to see the simulation fail. */
export type Flaws = {
  /** The sender key is not rotated when somebody is no longer to read. */
  readonly rotation?: boolean
  /** It vouches for nothing: an observer, whose own word would be another record than those whose order is at stake. */
  readonly voice?: boolean
  /** Nobody serves keys, nor asks for them. */
  readonly keyService?: boolean
  /** Records and keys are served to everybody. */
  readonly membershipCheck?: boolean
  /** A key from another member is taken as it comes. */
  readonly commitmentCheck?: boolean
  /** What is written is not on the disk when it is said to be. */
  readonly persistenceOrder?: boolean
}

/** Puts a device together as `peer.ts` does, and starts it. */
export const startLife = async (parts: LifeParts): Promise<Life> => {
  const { anchor, person, owner, drive, random, flaws } = parts
  const { self, key } = person
  const { network } = anchor
  const clock = { now: parts.now }
  const stores = openStores(drive.database, { storeKey: parts.storeKey, device: self.peerId }, random)
  const { database, records } = stores
  const emit = parts.onEvent
  const sessions = createSessions(self.peerId)
  const handlers = new Map<string, (stream: Stream, connection: Connection) => Promise<void>>()
  const connections = new Set<SimulatedConnection>()
  const gossip = parts.gossip
  const node = simulatedNode(self.peerId, handlers, connections)

  const roots = createRoots({
    anchor,
    successions: [],
    clock,
    store: async () => undefined,
    onFollowed: () => undefined,
  })
  const testify = async (): Promise<void> => {
    if (flaws.voice !== true) await parts.busy(core.conversation.testify()).catch(() => undefined)
  }
  let cut: readonly UserName[] = []
  const revocations = await openRevocations({
    roots,
    store: stores.revocationList,
    clock,
    onComing: async (list) => {
      cut = sessions.cut(({ serial }) => list.find(serial) !== undefined).map(({ user }) => user)
      await testify()
    },
    onNewer: ({ number }) => {
      core.directory.forget()
      database.transaction(core.rooms.revocationsChanged)
      void testify()
      const all = [...cut, ...sessions.cut(({ serial }) => revocations.has(serial)).map(({ user }) => user)]
      cut = []
      emit({ kind: 'revocations', number, cut: all, self: revocations.has(self.serial) })
    },
    onRefused: (refusal) => emit({ kind: 'foul', refusal, user: null }),
  })
  const core: Core = createCore({
    network,
    anchor: roots.anchor,
    successions: roots.successions,
    self: () => self,
    key,
    stores: flaws.rotation === true ? withoutRotation(stores, () => core) : stores,
    revocations,
    clock,
    random,
    onSigned: (signed) => {
      parts.onSigned(signed)
      roads?.send(signed)
    },
    emit,
    onDue: () => pulse?.wake(),
    onRoomChange: (room) => {
      roads?.roomChanged(room)
      emit({ kind: 'room', room })
    },
    onLack: (room) => roads?.lack(room),
    onFoul: (refusal, by) => emit({ kind: 'foul', refusal, user: by?.user ?? null }),
  })
  const { directory, group, rooms, author, ingest, conversation } = core
  let pulse: ReturnType<typeof startPulse> | null = null
  let roads: Roads | null = null
  const monotonic = { now: parts.lived }
  const allowance = createAllowance({
    clock: monotonic,
    onBarred: (device) => {
      emit({ kind: 'refused', device, refusal: refuse('flooding') })
      sessions.cut(({ peerId }) => peerId === device)
    },
  })
  const onFoul = (refusal: Refusal, peer: PeerId): void => {
    emit({ kind: 'foul', refusal, user: sessions.of(peer)?.device.user ?? null })
    allowance.foul(peer)
  }
  const mayRead = (room: RoomId, { device }: Session): Refusal | null =>
    flaws.membershipCheck === true ? null : rooms.mayRead(room, device.user)

  const keyService = await startKeyService({
    node,
    self: self.user,
    clock: monotonic,
    network,
    sessions,
    database,
    records,
    group: flaws.commitmentCheck === true ? { ...group, openWith: credulous } : group,
    allowance,
    mayRead,
    mayHaveKey: flaws.membershipCheck === true ? () => true : rooms.mayHaveKey,
    note: conversation.notes.opened,
    onOpened: conversation.told,
    onFoul,
  })
  if (flaws.keyService === true) handlers.delete(keysProtocol(network))
  const exchange = await startRevocationExchange({ node, network, sessions, lists: revocations })
  roads = await startRoads({
    node,
    network,
    self: self.user,
    gossip: gossip as unknown as Gossip,
    sessions,
    core: { ...core, rooms: servingRooms(rooms, flaws) },
    stores,
    keys: keyService,
    allowance,
    clock,
    monotonic,
    random,
    emit,
    onFoul,
    onHolds: (device, room, heads) => {
      if (conversation.delivery.heard(device, room, heads)) emit({ kind: 'delivered', room, device })
    },
  })
  roads.join()
  await author.resume()
  for (const room of rooms.carried()) await ingest.reopen(room)
  const ownEntry = await startOwnEntry({
    self: () => self,
    directory,
    prekeys: createOwnPrekeys(stores.keys, clock, random),
    group: core.group,
    author,
    records,
    onFailure: (error) => emit({ kind: 'foul', refusal: refusalOf(error), user: self.user }),
  })
  sessions.onChange(({ kind, session: { device, connection } }) => {
    const simulated = connection as unknown as SimulatedConnection
    if (kind !== 'began') gossip.disconnect(simulated)
    if (kind !== 'ended') gossip.connect(simulated)
    if (kind !== 'moved') emit({ kind: 'session', change: kind, user: device.user, device: device.peerId })
  })
  conversation.resume()
  pulse = startPulse(clock, conversation.due, () => {
    void parts.busy(
      conversation.beat().catch((error: unknown) => emit({ kind: 'foul', refusal: refusalOf(error), user: self.user })),
    )
  })

  /** Takes the place of the hello: each shows the other its certificate and its entry in the directory. */
  const admit = (theirs: VerifiedDevice, entry: Uint8Array, connection: SimulatedConnection): void => {
    const spki = theirs.spki
    const revoked = (serial: string): boolean => revocations.has(serial)
    const device = verifyDevice(theirs.certificate, { anchor, now: clock.now(), remoteSpki: spki, revoked })
    if (isRefusal(device) || allowance.isBarred(device.peerId)) {
      if (isRefusal(device)) emit({ kind: 'refused', device: theirs.peerId, refusal: device })
      void connection.close()
      return
    }
    directory.add(device)
    sessions.admit(device, connection as unknown as Connection)
    if (connection.direction === 'outbound') {
      void exchange.begin(connection as unknown as Connection).catch(() => undefined)
    }
    const record = parseRecord(entry)
    if (!isRefusal(record)) void parts.busy(ingest.take(record))
  }
  const host: SimulatedHost = {
    owner,
    peer: self.peerId,
    shows: () => ({ self, entry: ownEntry.record() }),
    answer: (stream, connection) => {
      const handler = handlers.get(stream.protocol)
      if (handler === undefined) return false
      handler(stream as unknown as Stream, connection as unknown as Connection).catch((error: unknown) =>
        stream.abort(error instanceof Error ? error : new Error(String(error))),
      )
      return true
    },
    connected: (connection) => {
      connections.add(connection)
      const { self: theirs, entry } = (connection.other.host as SimulatedHost).shows()
      admit(theirs, entry, connection)
    },
    disconnected: (connection) => {
      connections.delete(connection)
      sessions.drop(connection as unknown as Connection)
    },
  }
  return {
    owner,
    drive,
    stores,
    core,
    revocations,
    sessions,
    keyService,
    host,
    node,
    gossip,
    rest: async () => {
      const stirred = drive.stirred()
      if (drive.dead === null) {
        await author.idle()
        await ingest.idle()
      }
      return stirred && drive.dead === null
    },
    stop: async () => {
      ownEntry.stop()
      pulse?.stop()
      await conversation.stop()
      await author.idle()
      roads?.stop()
      await ingest.idle()
    },
  }
}

type SimulatedHost = Host & {
  /** What a hello shows. */
  shows(): { readonly self: VerifiedDevice; readonly entry: Uint8Array }
}

const simulatedNode = (
  peerId: PeerId,
  handlers: Map<string, (stream: Stream, connection: Connection) => Promise<void>>,
  connections: ReadonlySet<SimulatedConnection>,
): Node => ({
  peerId,
  addresses: () => [],
  dial: () => Promise.reject(fault('unreachable')),
  open: async (connection, protocol) => {
    try {
      return (connection as unknown as SimulatedConnection).newStream(protocol) as unknown as Stream
    } catch (cause) {
      throw fault('stream-closed', protocol, cause)
    }
  },
  handle: async (protocol, handler) => {
    handlers.set(protocol, handler)
  },
  connections: () => [...connections] as unknown as Connection[],
  onConnection: () => () => undefined,
  onDisconnection: () => () => undefined,
  onDiscovered: () => () => undefined,
  stop: async () => undefined,
})

/** As if everybody to whom the present key was sealed were still to read. */
const withoutRotation = (stores: Stores, core: () => Core): Stores => ({
  ...stores,
  keys: {
    ...stores.keys,
    recipients: (room, epoch) => {
      const still = new Set(
        core()
          .rooms.audience(room)
          .list.map(({ peer }) => peer),
      )
      return stores.keys.recipients(room, epoch).filter((peer) => still.has(peer))
    },
  },
})

/** As those who serve records ask them: keys travel with records too. */
const servingRooms = (rooms: Core['rooms'], flaws: Flaws): Core['rooms'] => {
  if (flaws.membershipCheck === true) return { ...rooms, mayRead: () => null, mayHaveKey: () => true }
  return flaws.keyService === true ? { ...rooms, mayHaveKey: () => false } : rooms
}

const credulous: Core['group']['openWith'] = (_log, _key, body, messageKey) => ({ plaintext: body, messageKey })
