import { rootsOf } from '../shared/certificate/lineage.ts'
import type { Clock } from '../shared/clock.ts'
import { type NetworkId, networkIdOf, type PeerId } from '../shared/ids.ts'
import type { Invite } from '../shared/invite.ts'
import { HELLO_TIMEOUT_MS, STOP_GRACE_MS } from '../shared/limits.ts'
import { prepareNode } from '../shared/network/node.ts'
import { peerIdOf } from '../shared/network/peer-id.ts'
import type { Random } from '../shared/random.ts'
import { ABOUT_PROTOCOL, CA_SERVICE_TAG } from '../shared/wire/about.ts'
import { enrolmentProtocol } from '../shared/wire/enrolment.ts'
import { revocationProtocol } from '../shared/wire/revocation.ts'
import { serveAbout } from './about.ts'
import { askDevices } from './ask-devices.ts'
import { createAuthority } from './authority.ts'
import { openStore } from './beside.ts'
import { createChallenges } from './challenge.ts'
import { type Place, remember } from './database-place.ts'
import { type Log, serveEnrolment } from './enrolment-handler.ts'
import { createTally, type Health, startHealth, type Vitals } from './health.ts'
import { createInvites, type InviteOrder, reachable } from './invites.ts'
import { type Mode, setMode } from './modes.ts'
import { countAll } from './overview.ts'
import { createPasswords } from './passwords.ts'
import { startPresence } from './presence.ts'
import { startPublisher } from './publisher.ts'
import type { Reason, RevokedDevices, Target } from './put-out.ts'
import type { ListedUser } from './registry.ts'
import type { SignedCrl } from './revocations.ts'
import { noteRoot } from './roll-over.ts'
import { type CaIdentity, openCaKeys, retireKeys } from './root-key.ts'
import { endSilence } from './silence.ts'
import { serveLists } from './spread.ts'
import { createTakingOver } from './taking-over.ts'
import { createTalks } from './talks.ts'

/** A CA that serves. */
export type Ca = AsyncDisposable & {
  readonly identity: CaIdentity
  readonly network: NetworkId
  readonly peerId: PeerId
  /** Multiaddrs that a newcomer can use, without PeerId. */
  readonly addresses: readonly string[]
  invite(order: Omit<InviteOrder, 'now'>): Promise<Invite[]>
  users(): Promise<ListedUser[]>
  /** Where `/health` and `/metrics` are, when they were asked for. */
  readonly healthPort: number | null
  /** The newest revocation list. */
  crl(): SignedCrl
  /** Puts the devices of a user, or one device, on the list, and signs it; null when there is none of that name. */
  revoke(target: Target, reason: Reason): Promise<RevokedDevices | null>
  stop(): Promise<void>
}

export type CaParts = {
  /** A folder in which `createCaKeys` has made the keys. */
  readonly home: string
  readonly passphrase: string
  readonly listen: readonly string[]
  /** Where its database is; without it the file in the home. */
  readonly place?: Place
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Who may join without an invite from now on; else as it was. */
  readonly mode?: Mode
  /** A port of 127.0.0.1 for `/health` and `/metrics`. */
  readonly healthPort?: number
  /** Whether newcomers who know no address yet find it by multicast. */
  readonly mdns?: boolean
  /** Milliseconds that a newcomer may say nothing. */
  readonly silenceMs?: number
  /** Milliseconds to wait for devices, after a restore. */
  readonly askMs?: number
}

/** @throws LanyardError `no-ca`, `passphrase-wrong`, `profile-damaged`, `address-in-use`, `storage-failed`, … */
export const startCa = async (parts: CaParts): Promise<Ca> => {
  const { home, clock, random, silenceMs = HELLO_TIMEOUT_MS } = parts
  const tally = createTally()
  const log: Log = (event, facts) => {
    tally.note(event, facts)
    parts.log(event, facts)
  }
  const keys = await openCaKeys(home, parts.passphrase, clock.now())
  const { network } = keys.anchor
  const store = await openStore(home, parts.place === undefined ? undefined : { place: parts.place, network })
  const { registry, revocations, attempts } = store
  const authority = createAuthority(keys, random)
  await using undo = new AsyncDisposableStack() // what a start that fails leaves behind
  undo.defer(store.close)
  if (parts.place?.kind === 'server') await remember(home, parts.place.address)
  if (parts.mode !== undefined) await setMode(store.database, parts.mode, clock.now())
  await noteRoot(store.database, keys, clock.now())
  const takingOver = createTakingOver({ database: store.database, revocations, identity: keys, clock, log })
  // Before the first list: one that forgets what was revoked since the backup would be believed.
  const asking = parts.askMs === undefined ? {} : { timeoutMs: parts.askMs }
  await askDevices({ database: store.database, identity: keys, caKey: keys.caKey, takingOver, clock, log, ...asking })
  const publisher = await startPublisher({
    revocations,
    signer: authority.list,
    signerOf: authority.signerOf,
    clock,
    log,
  })
  undo.defer(publisher.stop)
  const node = await prepareNode({
    key: keys.caKey,
    listen: parts.listen,
    ...(parts.mdns === true ? { serviceTag: CA_SERVICE_TAG } : {}),
  })
  undo.defer(node.stop)
  const health = await startHealthOn(parts.healthPort, async () => {
    const now = clock.now()
    return { ...(await countAll(store.database, now)), now, crl: publisher.latest(), events: tally.events }
  })
  undo.defer(async () => health?.stop())
  const silence = endSilence(node, silenceMs, (connection) => log('silent', { peer: peerIdOf(connection.remotePeer) }))
  const talks = createTalks()
  const serve = serveEnrolment({
    identity: { lineage: keys.lineage, ca: keys.ca.certificate, peerId: keys.ca.peerId },
    anchor: keys.anchor,
    registry,
    authority,
    publisher,
    passwords: createPasswords(keys.pepper, random),
    challenges: createChallenges(),
    attempts,
    clock,
    random,
    log,
    silenceMs,
    mayIssue: talks.mayIssue,
  })
  // A newcomer takes the protocol's name from the pin of the invite, which may be that of any of our roots.
  for (const { certificate } of rootsOf(keys.anchor)) {
    await node.handle(enrolmentProtocol(networkIdOf(certificate.spki)), silence.watch(talks.lead(serve)))
  }
  const lists = serveLists({ publisher, identity: keys, takingOver, isDevice: registry.isDevice, clock, log })
  await node.handle(revocationProtocol(keys.anchor.network), silence.watch(lists))
  await node.handle(ABOUT_PROTOCOL, silence.watch(serveAbout(keys.anchor.name)))
  await retireKeys(home) // of a roll-over that was cut off after its list
  await node.start() // whoever comes finds somebody who answers
  const presence = await startPresence({ registry, process: store.process, addresses: node.addresses, clock, log })
  undo.defer(presence.stop)
  await registry.audit({ time: clock.now(), event: 'served', subject: keys.ca.peerId, detail: '' })

  const stop = async (): Promise<void> => {
    silence.stop()
    await presence.stop()
    await health?.stop()
    await talks.end(STOP_GRACE_MS)
    await node.stop()
    await publisher.stop()
    await store.close()
  }
  undo.move() // from here on all of it is the caller's to stop
  return {
    identity: keys,
    network: keys.anchor.network,
    peerId: keys.ca.peerId,
    addresses: reachable(node.addresses()),
    healthPort: health?.port ?? null,
    invite: (order) => createInvites({ identity: keys, registry, random }, { ...order, now: clock.now() }),
    users: () => registry.users(),
    crl: () => publisher.latest(),
    revoke: async (target, reason) => {
      const revoked = await revocations.revoke(target, reason, clock.now())
      await publisher.refresh()
      return revoked
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

const startHealthOn = (port: number | undefined, vitals: () => Promise<Vitals>): Promise<Health | null> =>
  port === undefined ? Promise.resolve(null) : startHealth(port, vitals)
