import { eventJson } from '../api/event-json.ts'
import { createPlaces } from '../api/places.ts'
import type { Peer } from '../peer.ts'
import { eventLine } from './lines.ts'

export type RunParts = {
  readonly peer: Peer
  /** Where its API answers. */
  readonly api: string | null
  readonly json: boolean
  readonly output: NodeJS.WritableStream
}

/** Tells what happens, a line each, for a log; ends with the process. What is said in the rooms does not belong into a log. */
export const runHeadless = async ({ peer, api, json, output }: RunParts): Promise<void> => {
  const { user, peerId: device } = peer.self
  const ready = { event: 'ready', user, device, network: peer.network.id, addresses: peer.addresses() }
  output.write(
    json
      ? `${JSON.stringify(ready)}\n`
      : `${user} in the network “${peer.network.name}”, API at ${api ?? 'nowhere'}. Stop it with Ctrl-C.\n`,
  )
  const places = createPlaces(peer)
  peer.on((event) => {
    places.heard(event)
    const told = eventJson(event, places.of)
    if (json) {
      output.write(`${JSON.stringify(told)}\n`)
      return
    }
    if (told.event === 'message' || told.event === 'updated') return
    const line = eventLine(told, ({ room }) => room)
    if (line !== null) output.write(`${line}\n`)
  })
  await new Promise(() => undefined)
}
