import type { z } from 'zod'
import { mute } from '../api/operations/desk.ts'
import { renew, sightings } from '../api/operations/device.ts'
import { users } from '../api/operations/people.ts'
import { rekeyRoom } from '../api/operations/rooms.ts'
import { type Commands, type Desk, roomOrHere } from './desk.ts'
import { userLines } from './lines.ts'

/** What the commands about people and this device do, a line each. */
export const DEVICE_HELP = `/users                     who is in the network, and who is here
/why                       what is known about peers that are not reached
/mute [#ROOM], /unmute [#ROOM]   no noise from a room; it still counts
/rekey                     a new sender key, from the next message on
/renew                     renew the certificate of this device now`

export const deviceCommands = (desk: Desk): Commands => {
  const { client, show } = desk
  const setMute = async (word: string, on: boolean): Promise<void> => {
    const { id, place } = await roomOrHere(desk, word)
    await client.call(mute, { room: id, on })
    show(`* ${place} ${on ? 'makes no noise any more' : 'makes itself heard again'}`, {
      event: 'muted',
      room: place,
      on,
    })
  }
  return {
    '/users': async () => {
      const { users: all } = await client.call(users, {})
      show(userLines(all).join('\n'), { event: 'users', users: all })
    },
    '/why': async () => {
      const { sightings: all } = await client.call(sightings, {})
      const known = all.map(({ present: _, ...sighting }) => sighting)
      show(whyLines(all).join('\n'), { event: 'sightings', sightings: known })
    },
    '/mute': (rest) => setMute(rest, true),
    '/unmute': (rest) => setMute(rest, false),
    '/rekey': async () => {
      await client.call(rekeyRoom, { room: desk.here() })
      show('* a new sender key', { event: 'rekeyed' })
    },
    '/renew': async () => {
      await client.call(renew, {}) // its good end comes as an event
    },
  }
}

const whyLines = (all: z.output<typeof sightings.output>['sightings']): string[] => {
  const lines = all.map(({ device, source, addresses, present, reason }) => {
    const how = present ? 'connected' : (reason ?? 'not reached yet')
    return `…${device.slice(-6)}  by ${source}  ${how}  ${addresses.join(' ')}`
  })
  return lines.length > 0
    ? lines
    : ['nobody has been found yet: neither multicast nor a known address has shown a peer']
}
