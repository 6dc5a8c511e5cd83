import { LanyardError, wordsOf } from '../../shared/errors.ts'
import { usersJson } from '../api/operations/people.ts'
import { placeOf } from '../api/places.ts'
import { refusalJson } from '../api/refusal-json.ts'
import type { Peer } from '../peer.ts'
import { type Commands, type Desk, roomOrHere } from './desk.ts'
import { userLines } from './lines.ts'

/** What the commands about people and this device do, a line each. */
export const DEVICE_HELP = `/users                     who is in the network, and who is here
/why                       what is known about peers that are not reached
/mute [#ROOM], /unmute [#ROOM]   no noise from a room; it still counts
/rekey                     a new sender key, from the next message on
/renew                     renew the certificate of this device now`

export const deviceCommands = ({ peer, show, ...desk }: Desk): Commands => {
  const mute = (word: string, on: boolean): void => {
    const room = roomOrHere({ peer, show, ...desk }, word)
    peer.mute(room, on)
    const place = placeOf(peer, room)
    show(`* ${place} ${on ? 'makes no noise any more' : 'makes itself heard again'}`, {
      event: 'muted',
      room: place,
      on,
    })
  }
  return {
    '/users': () => {
      const users = usersJson(peer)
      show(userLines(users).join('\n'), { event: 'users', users })
    },
    '/why': () => {
      const known = peer.sightings().map(({ peer: device, source, addresses, lastRefusal }) => ({
        device,
        source,
        addresses,
        ...(lastRefusal === null ? {} : refusalJson(lastRefusal)),
      }))
      show(whyLines(peer).join('\n'), { event: 'sightings', sightings: known })
    },
    '/mute': (rest) => mute(rest, true),
    '/unmute': (rest) => mute(rest, false),
    '/rekey': async () => {
      await peer.rekey(desk.here())
      show('* a new sender key', { event: 'rekeyed' })
    },
    '/renew': async () => {
      const refusal = await peer.renew() // its good end comes as an event
      if (refusal !== null) throw new LanyardError(refusal)
    },
  }
}

const whyLines = (peer: Peer): string[] => {
  const present = new Set(
    peer.users().flatMap(({ devices }) => devices.filter((one) => one.present).map((one) => one.device)),
  )
  const lines = peer.sightings().map(({ peer: device, source, addresses, lastRefusal }) => {
    const how = present.has(device) ? 'connected' : lastRefusal === null ? 'not reached yet' : wordsOf(lastRefusal)
    return `…${device.slice(-6)}  by ${source}  ${how}  ${addresses.join(' ')}`
  })
  return lines.length > 0
    ? lines
    : ['nobody has been found yet: neither multicast nor a known address has shown a peer']
}
