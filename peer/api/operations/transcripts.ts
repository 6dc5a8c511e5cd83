import { z } from 'zod'
import { orThrow } from '../../../shared/errors.ts'
import { ROOM_NAME_MAX } from '../../../shared/limits.ts'
import type { Peer } from '../../peer.ts'
import { bytesOperation } from '../operation.ts'
import { findPlace, placeOf } from '../places.ts'
import { placeInput } from './rooms.ts'

const TYPE = 'application/octet-stream'

export const exportTranscript = bytesOperation({
  name: 'transcripts.export',
  method: 'GET',
  path: '/rooms/:room/transcript',
  summary: 'A room as evidence: one file that proves who said what.',
  input: z.object({
    room: placeInput,
    from: z.iso.datetime({ offset: true }).optional().describe('only what was written then or later'),
    to: z.iso.datetime({ offset: true }).optional().describe('only what was written then or earlier'),
    withKeys: z.boolean().default(false).describe('with the keys of the messages: whoever has the file can read them'),
  }),
  type: TYPE,
  read: (peer, { room, from, to, withKeys }) => {
    const range = {
      ...(from === undefined ? {} : { from: Date.parse(from) }),
      ...(to === undefined ? {} : { to: Date.parse(to) }),
    }
    return peer.transcripts.records({ ...placed(peer, room), ...range, withKeys })
  },
})

export const receipt = bytesOperation({
  name: 'transcripts.receipt',
  method: 'GET',
  path: '/rooms/:room/receipt',
  summary: 'Signs what this device holds of a room now; of a room that we left, what it signed then.',
  input: z.object({ room: placeInput }),
  type: TYPE,
  read: async function* (peer, { room }) {
    const place = placed(peer, room)
    const isMember = peer.rooms().some(({ id, member }) => id === place.room && member)
    const kept = isMember ? null : peer.transcripts.kept(place.room)
    if (kept === null) yield* peer.transcripts.receipt(place)
    else yield kept
  },
})

const placed = (peer: Peer, word: string) => {
  const room = orThrow(findPlace(peer, word))
  return { room, name: placeOf(peer, room).slice(0, ROOM_NAME_MAX) }
}
