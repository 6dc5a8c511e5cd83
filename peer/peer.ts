import type { KeyObject } from 'node:crypto'
import { isFromNewest, type Succession } from '../shared/certificate/lineage.ts'
import { type TrustAnchor, type VerifiedDevice, verifyDevice } from '../shared/certificate/verify.ts'
import { type Clock, monotonicClock } from '../shared/clock.ts'
import { fault, isRefusal, LanyardError, orThrow, type Refusal, refusalOf, refuse } from '../shared/errors.ts'
import { type PeerId, type RecordHash, type RoomId, sha256, type UserName } from '../shared/ids.ts'
import { ADDRESSES_MAX } from '../shared/limits.ts'
import { addressesOf } from '../shared/network/addresses.ts'
import { createGossip } from '../shared/network/gossip.ts'
import { type Connection, prepareNode } from '../shared/network/node.ts'
import { peerIdOf } from '../shared/network/peer-id.ts'
import type { Random } from '../shared/random.ts'
import { PROTOCOL_VERSION, serviceTag } from '../shared/wire/protocol.ts'
import type { Comparisons } from './compare/comparisons.ts'
import { createCore } from './core.ts'
import { createEvents, type PeerEvent } from './events.ts'
import { type FileOptions, type Files, startFiles } from './files/files.ts'
import { startKeyService } from './group/key-service.ts'
import { createOwnPrekeys } from './group/own-prekeys.ts'
import type { CaContact } from './identity/ca-line.ts'
import { type Renewal, type Renewed, startRenewal } from './identity/renew.ts'
import { createRoots, followAll, recentSuccession } from './identity/roots.ts'
import { gossipIdOf } from './log/gossip.ts'
import { parseRecord } from './log/record.ts'
import { createAllowance } from './network/allowance.ts'
import { startCaLink } from './network/ca-link.ts'
import { type Sighting, startDiscovery } from './network/discovery.ts'
import { watchFreshness } from './network/freshness.ts'
import { startHellos } from './network/hello-handler.ts'
import type { Live } from './network/live-handler.ts'
import { startRevocationExchange } from './network/revocation-handler.ts'
import { type ListTimes, openRevocations, type Revocations } from './network/revocations.ts'
import { createSessions, type Session } from './network/sessions.ts'
import { type Roads, startRoads } from './roads.ts'
import type { Chat } from './rooms/chat.ts'
import { type ListedUser, listUsers } from './rooms/listing.ts'
import { startOwnEntry } from './rooms/own-entry.ts'
import type { Politics } from './rooms/politics.ts'
import { type Pulse, startPulse } from './rooms/pulse.ts'
import type { RoomFacts } from './rooms/room.ts'
import { openDatabase } from './store/database.ts'
import { openStores } from './store/stores.ts'
import type { Transcripts } from './transcript/export.ts'

/** A device on the network: what the command line, the screen and bots work with. */
export type Peer = AsyncDisposable &
  Chat & {
    readonly self: VerifiedDevice
    readonly network: { readonly id: string; readonly name: string }
    /** The room that everybody is in. */
    readonly general: RoomId
    /** Multiaddrs that others reach us at. */
    addresses(): string[]
    /** The rooms that this device knows of: ours, and open ones that we may join. */
    rooms(): ListedRoom[]
    /** The room of ourselves and another user. @throws LanyardError `user-unknown` */
    direct(user: UserName): RoomId
    /** What changes rooms and their members. */
    readonly politics: Politics
    /** Rooms as evidence, for whoever has the root certificate. */
    readonly transcripts: Transcripts
    /** Users whose keys are held side by side in person. */
    readonly comparisons: Comparisons
    /** Whether our user is here, and writes; and whether others are. */
    readonly live: Pick<Live, 'setPresence' | 'presenceOf' | 'typing'>
    /** All users of the network, present or not. */
    users(): ListedUser[]
    /** How many other devices are known to hold a message of ours. */
    deliveredTo(id: RecordHash): number
    /**
     * Offers a file or a folder in a room; it is served from where it is.
     * @throws LanyardError as `files.offer`
     */
    sendFile(room: RoomId, path: string): Promise<RecordHash>
    /** What was offered and is held: the library of each room. */
    readonly files: Files
    /** Fetches the file of a message into the download folder; progress comes as events. `file-not-held`: it offers none. */
    fetchFile(id: RecordHash): Refusal | null
    /** Makes a new sender key for a room now. @throws LanyardError `storage-failed` */
    rekey(room: RoomId): Promise<void>
    /** Renews our certificate now. Null, or why not. */
    renew(): Promise<Refusal | null>
    /** Renews our certificate if it is past the half of its life and the CA can be reached; happens by itself, too. */
    renewIfDue(): Promise<void>
    /** Number of the revocation list that is in force (0: none), and why it says less than it should. */
    revocationList(): { readonly number: number; readonly stale: Refusal | null } & ListTimes
    /** When the CA was reached last, milliseconds since the epoch; null: not since this start. */
    caSeen(): number | null
    /** What is known about reaching each peer, with the reason when it is not reached. */
    sightings(): readonly Sighting[]
    /** Connects to a peer at its multiaddrs, now and again until there is a session. */
    meet(peer: PeerId, addresses: readonly string[]): void
    /** Returns a function that ends the listening. */
    on(listener: (event: PeerEvent) => void): () => void
    /** Ends all work in good order; the second call waits for the first. */
    stop(): Promise<void>
  }

/** A room as it is listed. */
export type ListedRoom = RoomFacts & { readonly id: RoomId; readonly member: boolean }

/** What a device is made of; `main.ts` puts it together, and tests put together others. */
export type PeerParts = {
  readonly key: KeyObject
  readonly anchor: TrustAnchor
  /** Our own certificate, verified for our key. */
  readonly self: VerifiedDevice
  /** 32 bytes that seal the database's columns. */
  readonly storeKey: Uint8Array
  readonly databasePath: string
  /** Where fetched files go; made when the first one comes. */
  readonly downloads: string
  /** What is fetched unasked, how fast files may go, how much room they may take. */
  readonly files?: FileOptions
  /** Multiaddrs to listen on. */
  readonly listen: readonly string[]
  /** Whether to announce ourselves, and look for others, by multicast. */
  readonly mdns: boolean
  /** Whether to refuse new sessions while the revocation list is stale; else a stale one only warns. */
  readonly strict?: boolean
  /** The CA, if it is to be looked for: for revocation lists, and to renew our certificate, which is then handed to `store`. */
  readonly ca?: { readonly contact: CaContact; readonly store: (certificate: Uint8Array) => Promise<void> }
  readonly clock: Clock
  readonly random: Random
  /** How the anchor followed the network's first root, when it is a later one, and where newer ones are kept. */
  readonly roots?: {
    readonly successions: readonly Succession[]
    readonly store: (successions: readonly Succession[]) => Promise<void>
  }
  /** Milliseconds that a new connection has for its hello; HELLO_TIMEOUT_MS unless told otherwise. */
  readonly helloTimeoutMs?: number
}

/**
 * Starts a device: opens its store, listens, finds the others.
 * @throws LanyardError `address-in-use`, `storage-failed`, `profile-damaged`
 */
export const createPeer = async (parts: PeerParts): Promise<Peer> => {
  const { clock, random, key, ca } = parts
  let self = parts.self
  const { network, name: networkName } = parts.anchor
  const owner = { storeKey: parts.storeKey, device: self.peerId }
  const stores = openStores(openDatabase(parts.databasePath), owner, random)
  const { database, records, keys, addresses } = stores

  const events = createEvents()
  const sessions = createSessions(self.peerId)
  const roots = createRoots({
    anchor: parts.anchor,
    successions: parts.roots?.successions ?? [],
    clock,
    store: async (successions) => await parts.roots?.store(successions),
    onFollowed: ({ generation, elders: [elder] }) =>
      events.emit({ kind: 'rolled-over', root: generation, until: elder?.until ?? 0 }),
  })
  let cut: readonly UserName[] = []
  const revocations: Revocations = await openRevocations({
    roots,
    store: stores.revocationList,
    clock,
    // What is held of those who are out is vouched for first: else it would not count until that is done, and whom one of
    // them had removed would be a member meanwhile.
    onComing: async (list) => {
      cut = sessions.cut(({ serial }) => list.find(serial) !== undefined).map(({ user }) => user)
      await testify()
    },
    onNewer: ({ number }) => {
      directory.forget()
      database.transaction(rooms.revocationsChanged)
      void testify() // of what came in between
      const all = [...cut, ...sessions.cut(({ serial }) => revocations.has(serial)).map(({ user }) => user)]
      cut = []
      events.emit({ kind: 'revocations', number, cut: all, self: revocations.has(self.serial) })
    },
    onRefused: (refusal) => events.emit({ kind: 'foul', refusal, user: null }),
  })
  const core = createCore({
    network,
    anchor: roots.anchor,
    self: () => self,
    key,
    stores,
    successions: roots.successions,
    revocations,
    clock,
    random,
    onSigned: (signed) => roads?.send(signed),
    emit: events.emit,
    onDue: () => pulse?.wake(),
    onRoomChange: (room) => {
      roads?.roomChanged(room)
      events.emit({ kind: 'room', room })
    },
    onLack: (room) => roads?.lack(room),
    onFoul: (refusal, by) => events.emit({ kind: 'foul', refusal, user: by?.user ?? null }),
  })
  const { directory, group, rooms, author, compose, politics, ingest, conversation, chat, transcripts } = core
  const { comparisons } = core
  const { general } = rooms
  let pulse: Pulse | null = null
  let roads: Roads | null = null
  const testify = (): Promise<void> =>
    conversation
      .testify()
      .catch((error: unknown) => events.emit({ kind: 'foul', refusal: refusalOf(error), user: self.user }))
  const mayRead = (room: RoomId, { device }: Session): Refusal | null => rooms.mayRead(room, device.user)
  /** A manifest has names in it, and hashes that tell what a file is: it goes where the message's own key may go. */
  const mayFetch = (room: RoomId, session: Session, record: RecordHash): Refusal | null => {
    const message = stores.timeline.get(record)
    if (message === null || message.room !== room || message.hidden) return refuse('file-not-held')
    if (rooms.mayHaveKey(message.log, message.seq, session.device.user)) return null
    return mayRead(room, session) ?? refuse('not-a-member')
  }
  events.on((event) => files.heard(event))

  const allowance = createAllowance({
    clock: monotonicClock,
    onBarred: (device) => {
      events.emit({ kind: 'refused', device, refusal: refuse('flooding') })
      sessions.cut(({ peerId }) => peerId === device)
    },
  })
  const onFoul = (refusal: Refusal, peer: PeerId): void => {
    events.emit({ kind: 'foul', refusal, user: sessions.of(peer)?.device.user ?? null })
    allowance.foul(peer)
  }

  const gossip = createGossip({
    idOf: gossipIdOf,
    admitted: async (connection) => (await sessions.awaited(connection)) !== null,
  })
  const node = await prepareNode({
    key,
    listen: parts.listen,
    gossip,
    ...(parts.mdns ? { serviceTag: serviceTag(network) } : {}),
  }).catch((error: unknown) => {
    database.close()
    throw error
  })
  const keyService = await startKeyService({
    node,
    self: self.user,
    clock: monotonicClock,
    network,
    sessions,
    database,
    records,
    group,
    allowance,
    mayRead,
    mayHaveKey: rooms.mayHaveKey,
    note: conversation.notes.opened,
    onOpened: conversation.told,
    onFoul,
  })
  const exchange = await startRevocationExchange({ node, network, sessions, lists: revocations })
  /** Our certificate as each connection was shown it: TLS beside it shows the same. */
  const shown = new WeakMap<Connection, Uint8Array>()
  const files = await startFiles({
    node,
    network,
    sessions,
    papers: {
      key,
      shown: (connection) => shown.get(connection) ?? self.certificate,
      verify: (certificate, remoteSpki) =>
        verifyDevice(certificate, {
          anchor: roots.anchor(),
          now: clock.now(),
          remoteSpki,
          revoked: (serial) => revocations.has(serial),
        }),
    },
    store: stores.files,
    inbox: conversation.inbox,
    compose,
    takeBack: chat.takeBack,
    mayFetch,
    downloads: parts.downloads,
    options: parts.files ?? {},
    clock: monotonicClock,
    random,
    emit: events.emit,
    onFoul,
  })
  roads = await startRoads({
    node,
    network,
    self: self.user,
    gossip,
    sessions,
    core,
    stores,
    keys: keyService,
    allowance,
    clock,
    monotonic: monotonicClock,
    random,
    emit: events.emit,
    onFoul,
    onHolds: (device, room, heads) => {
      if (conversation.delivery.heard(device, room, heads)) events.emit({ kind: 'delivered', room, device })
    },
  })
  const { live } = roads

  const discovery = startDiscovery({ node, sessions, clock, random })
  await author.resume()
  for (const room of rooms.carried()) await ingest.reopen(room)
  const ownEntry = await startOwnEntry({
    self: () => self,
    directory,
    prekeys: createOwnPrekeys(keys, clock, random),
    group,
    author,
    records,
    onFailure: (error) => events.emit({ kind: 'foul', refusal: refusalOf(error), user: self.user }),
  })
  /** Sessions go on under the certificate that they began with; from now on we show the new one. */
  const takeCertificate = async ({ certificate, successions }: Renewed): Promise<void> => {
    const refused = followAll(roots, { successions })
    if (refused !== null) throw new LanyardError(refused)
    await roots.stored() // else the next start could not verify our own certificate
    self = orThrow(verifyDevice(certificate, { anchor: roots.anchor(), now: clock.now(), remoteSpki: self.spki }))
    directory.add(self)
    await ca?.store(certificate)
    await ownEntry.renew()
    conversation.resume() // what it owed while it could not write
    events.emit({ kind: 'renewed', until: self.notAfter })
  }

  const freshness = watchFreshness({
    revocations,
    clock,
    strict: parts.strict === true,
    onStale: (refusal) => events.emit({ kind: 'crl-stale', refusal }),
  })
  const endHellos = await startHellos({
    node,
    anchor: roots.anchor,
    follow: roots.follow,
    clock,
    isCa: ({ remotePeer }) => ca !== undefined && peerIdOf(remotePeer) === ca.contact.caPeerId,
    revoked: (serial) => revocations.has(serial),
    barred: (peer) => (allowance.isBarred(peer) ? refuse('flooding') : freshness.barred()),
    ...(parts.helloTimeoutMs === undefined ? {} : { timeoutMs: parts.helloTimeoutMs }),
    mine: () => ({
      kind: 'hello',
      version: PROTOCOL_VERSION,
      network,
      certificate: self.certificate,
      crl: revocations.number(),
      device: ownEntry.record(),
      addresses: node.addresses().slice(0, ADDRESSES_MAX),
      ...recentSuccession(roots, clock.now()),
    }),
    admit: (device, connection, theirs) => {
      directory.add(device)
      const reachable = addressesOf(device.peerId, theirs.addresses)
      addresses.remember(device.peerId, reachable, clock.now())
      discovery.learn(device.peerId, reachable, 'addresses')
      shown.set(connection, self.certificate)
      sessions.admit(device, connection)
      if (connection.direction === 'outbound') void exchange.begin(connection).catch(() => undefined)
      const record = parseRecord(theirs.device)
      if (!isRefusal(record)) void ingest.take(record)
    },
    refused: (refusal, connection) => {
      const device = peerIdOf(connection.remotePeer)
      sessions.drop(connection)
      discovery.refused(device, refusal)
      events.emit({ kind: 'refused', device, refusal })
    },
  })

  const ends = [
    endHellos,
    freshness.stop,
    node.onDisconnection((connection) => sessions.drop(connection)),
    sessions.onChange(({ kind, session: { device, connection } }) => {
      if (kind !== 'began') gossip.disconnect(connection)
      if (kind !== 'ended') gossip.connect(connection)
      if (kind !== 'moved') events.emit({ kind: 'session', change: kind, user: device.user, device: device.peerId })
    }),
  ]
  let stopping: Promise<void> | null = null
  const stop = async (): Promise<void> => {
    ownEntry.stop()
    discovery.stop()
    await files.stop()
    pulse?.stop()
    await conversation.stop()
    await author.idle()
    for (const end of ends) end()
    roads?.stop()
    await node.stop()
    await ingest.close()
    database.close()
  }
  const stopOnce = (): Promise<void> => {
    stopping ??= stop()
    return stopping
  }

  // Whoever comes finds all of it ready: a hello that nobody answers would cost both sides seconds.
  await node.start().catch(async (error: unknown) => {
    await stopOnce()
    throw error
  })
  roads.join()
  let renewal: Renewal | null = null
  let caSeen: number | null = null
  if (ca !== undefined) {
    const { contact } = ca
    const onRefused = (refusal: Refusal): void => events.emit({ kind: 'refused', device: contact.caPeerId, refusal })
    renewal = startRenewal({
      node,
      // The CA must show the newest root that we know, or one that leads from there.
      ca: () => ({ ...contact, pin: sha256(roots.anchor().spki) }),
      key,
      self: () => self,
      outdated: () => !isFromNewest(self.certificate, roots.anchor()),
      clock,
      random,
      onRenewed: takeCertificate,
      onRefused,
    })
    const onSight = (connection: Connection): void => {
      caSeen = clock.now()
      events.emit({ kind: 'ca-sighted' })
      void exchange.begin(connection).catch(() => undefined)
      // A CA that dials us asks for our list, and is not ready for more.
      if (connection.direction === 'outbound') void renewal?.renewIfDue()
    }
    const { renewIfDue, stop } = renewal
    ends.push(
      stop,
      roots.onNewer(() => void renewIfDue()),
      startCaLink({ node, ca: contact, clock, random, onSight }),
    )
  }
  for (const [peer, known] of addresses.all()) discovery.learn(peer, known, 'addresses')

  files.start()
  conversation.resume()
  // A list that came before this start may have revoked whom nobody has vouched for: a device of ours, after a change of keys.
  if (revocations.number() > 0) await testify()
  pulse = startPulse(clock, conversation.due, () => {
    conversation
      .beat()
      .catch((error: unknown) => events.emit({ kind: 'foul', refusal: refusalOf(error), user: self.user }))
  })

  return {
    get self() {
      return self
    },
    network: { id: network, name: networkName },
    general,
    addresses: () => node.addresses(),
    ...chat,
    rooms: () =>
      rooms
        .all()
        .filter(({ kind }) => kind !== 'directory')
        .map((room) => ({ id: room.id, member: room.isMember(self.user), ...room.facts() })),
    direct: (user) => {
      if (!directory.devices().some((device) => device.user === user)) throw fault('user-unknown', user)
      return rooms.direct(user)
    },
    politics,
    transcripts,
    comparisons,
    live,
    users: () =>
      listUsers(
        directory.devices(),
        self,
        (peer) => (sessions.of(peer) === undefined ? null : (discovery.sourceOf(peer) ?? 'addresses')),
        (serial) => revocations.has(serial),
      ),
    deliveredTo: (id) => chat.message(id)?.state?.devices ?? 0,
    files: files.face,
    sendFile: async (room, path) => (await files.face.offer(room, path)).id,
    fetchFile: files.face.fetch,
    rekey: (room) => compose.rekey(room),
    renewIfDue: async () => await renewal?.renewIfDue(),
    renew: async () => (renewal === null ? refuse('unreachable', 'no CA is known') : await renewal.renew()),
    revocationList: () => ({ number: revocations.number(), stale: revocations.staleness(), ...revocations.times() }),
    caSeen: () => caSeen,
    sightings: () => discovery.sightings(),
    meet: (peer, known) => discovery.learn(peer, known, 'addresses'),
    on: events.on,
    stop: stopOnce,
    [Symbol.asyncDispose]: stopOnce,
  }
}
