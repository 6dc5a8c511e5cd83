import { z } from 'zod'
import { fault, LanyardError, type Refusal } from '../../../shared/errors.ts'
import type { PeerId } from '../../../shared/ids.ts'
import { operation } from '../operation.ts'
import { refusalFields, refusalJson } from '../refusal-json.ts'

const maybeRefused = z.object(refusalFields).partial().shape
const isoOf = (ms: number): string => new Date(ms).toISOString()
const isoOrNull = (ms: number | null): string | null => (ms === null ? null : isoOf(ms))

export const revocationListShape = z.object({
  number: z.number().describe('0: there is none'),
  made: z.iso.datetime().nullable(),
  until: z.iso.datetime().nullable().describe('when it is stale'),
  stale: z.boolean(),
  ...maybeRefused,
})

export const status = operation({
  name: 'device.status',
  method: 'GET',
  path: '/status',
  summary: 'Who this device is, and how it stands with its network and its CA.',
  input: z.object({}),
  output: z.object({
    user: z.string(),
    device: z.string(),
    network: z.object({ id: z.string(), name: z.string() }),
    certificate: z.object({ serial: z.string(), from: z.iso.datetime(), until: z.iso.datetime() }),
    addresses: z.array(z.string()).describe('multiaddrs that others reach this device at'),
    users: z.number().describe('of the network'),
    peers: z.number().describe('other devices that are here now'),
    general: z.string().describe('the id of the room that everybody is in'),
    ca: z.object({ seen: z.iso.datetime().nullable().describe('since this start; null: not yet') }),
    revocationList: revocationListShape,
  }),
  run: (peer) => {
    const { user, peerId, serial, notBefore, notAfter } = peer.self
    const users = peer.users()
    const present = users.flatMap(({ devices }) => devices.filter((one) => one.present && one.device !== peerId))
    return {
      user,
      device: peerId,
      network: peer.network,
      certificate: { serial, from: isoOf(notBefore), until: isoOf(notAfter) },
      addresses: peer.addresses(),
      users: users.length,
      peers: present.length,
      general: peer.general,
      ca: { seen: isoOrNull(peer.caSeen()) },
      revocationList: revocationListJson(peer.revocationList()),
    }
  },
})

export const revocationListJson = ({
  number,
  made,
  until,
  stale,
}: {
  readonly number: number
  readonly made: number | null
  readonly until: number | null
  readonly stale: Refusal | null
}): z.output<typeof revocationListShape> => ({
  number,
  made: isoOrNull(made),
  until: isoOrNull(until),
  stale: stale !== null,
  ...(stale === null ? {} : refusalJson(stale)),
})

export const renew = operation({
  name: 'device.renew',
  method: 'POST',
  path: '/renew',
  summary: 'Renews the certificate of this device now; it happens by itself, too.',
  input: z.object({}),
  output: z.object({ before: z.iso.datetime(), until: z.iso.datetime() }),
  run: async (peer) => {
    const before = peer.self.notAfter
    const refusal = await peer.renew()
    if (refusal !== null) throw new LanyardError(refusal)
    return { before: isoOf(before), until: isoOf(peer.self.notAfter) }
  },
})

export const sightings = operation({
  name: 'device.sightings',
  method: 'GET',
  path: '/sightings',
  summary: 'What is known about reaching each peer, with the reason when it is not reached.',
  input: z.object({}),
  output: z.object({
    sightings: z.array(
      z.object({
        device: z.string(),
        source: z.enum(['mdns', 'addresses']),
        addresses: z.array(z.string()).readonly(),
        present: z.boolean(),
        ...maybeRefused,
      }),
    ),
  }),
  run: (peer) => {
    const present = new Set(
      peer.users().flatMap(({ devices }) => devices.filter((one) => one.present).map(({ device }) => device)),
    )
    return {
      sightings: peer.sightings().map(({ peer: device, source, addresses, lastRefusal }) => ({
        device,
        source,
        addresses,
        present: present.has(device),
        ...(lastRefusal === null ? {} : refusalJson(lastRefusal)),
      })),
    }
  },
})

export const meet = operation({
  name: 'device.meet',
  method: 'POST',
  path: '/meet',
  summary: 'Connects to a device at its multiaddr, now and again until there is a session.',
  input: z.object({ address: z.string().describe('as /ip4/192.0.2.7/tcp/4200/p2p/Qm…') }),
  output: z.object({ device: z.string() }),
  run: (peer, { address }) => {
    const device = /\/p2p\/([^/]+)$/.exec(address)?.[1] as PeerId | undefined
    if (device === undefined) throw fault('address-malformed', `${address}: it does not end in /p2p/<PeerId>`)
    peer.meet(device, [address])
    return { device }
  },
})

export const setPresence = operation({
  name: 'device.presence',
  method: 'PUT',
  path: '/presence',
  summary: 'Says whether somebody sits at this device.',
  input: z.object({ state: z.enum(['active', 'away']) }),
  output: z.object({}),
  run: (peer, { state }) => {
    peer.live.setPresence(state)
    return {}
  },
})
