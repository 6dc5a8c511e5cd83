import { createPrivateKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { createPeer, type Peer } from '../../peer/peer.ts'
import { spkiOf } from '../../shared/certificate/rsa-key.ts'
import { trustAnchor, verifyDevice } from '../../shared/certificate/verify.ts'
import { systemClock } from '../../shared/clock.ts'
import { orThrow, refusalOf } from '../../shared/errors.ts'
import type { RoomId, UserName } from '../../shared/ids.ts'
import { systemRandom } from '../../shared/random.ts'
import { type Command, commandShape, type DrivenRoom, type Line, profileShape } from './driver-words.ts'

// A program: one real peer, from a profile (a JSON file, the only argument), that takes commands as JSON lines on its
// input and tells replies and events as JSON lines on its output. It ends with its input.

const tell = (line: Line): void => {
  process.stdout.write(`${JSON.stringify(line, (_, value) => (value instanceof Uint8Array ? '(bytes)' : value))}\n`)
}

const bytes = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, 'base64'))

const start = async (path: string): Promise<Peer> => {
  const profile = profileShape.parse(JSON.parse(await readFile(path, 'utf8')))
  const { databasePath, downloads, listen, mdns, bytesPerSecond } = profile
  const files = { bytesPerSecond }
  const key = createPrivateKey(profile.key)
  const now = systemClock.now()
  const anchor = orThrow(trustAnchor(bytes(profile.root), now))
  const self = orThrow(verifyDevice(bytes(profile.certificate), { anchor, now, remoteSpki: spkiOf(key) }))
  const storeKey = bytes(profile.storeKey)
  const rest = { databasePath, downloads, listen, mdns, files, clock: systemClock, random: systemRandom }
  return await createPeer({ key, anchor, self, storeKey, ...rest })
}

const obey = async (peer: Peer, command: Command): Promise<unknown> => {
  const room = ('room' in command ? (command.room as RoomId | undefined) : undefined) ?? peer.general
  switch (command.do) {
    case 'say':
      return await peer.say(room, command.text)
    case 'send':
      return await peer.sendFile(room, command.path)
    case 'fetch':
      return peer.fetchFile(command.id as Parameters<Peer['fetchFile']>[0])
    case 'history':
      return peer.history(room, command.limit)
    case 'found':
      return await peer.politics.found({ name: command.name, access: 'invite', history: 'all' })
    case 'invite':
      return await peer.politics.invite(room, command.user as UserName)
    case 'remove':
      return await peer.politics.remove(room, command.user as UserName)
    case 'rooms':
      return peer.rooms().map(
        ({ id, member, members }): DrivenRoom => ({
          id,
          member,
          members: members === null ? null : [...members.keys()],
        }),
      )
    case 'users':
      return peer.users()
    case 'sightings':
      return peer.sightings()
    case 'delivered':
      return peer.deliveredTo(command.id as Parameters<Peer['deliveredTo']>[0])
    case 'meet':
      return peer.meet(command.peer as Parameters<Peer['meet']>[0], command.addresses)
    case 'stop':
      return await peer.stop()
  }
}

const peer = await start(process.argv[2] ?? '')
peer.on((event) => tell({ kind: 'event', event, at: Date.now() }))
tell({ kind: 'ready', peer: peer.self.peerId, addresses: peer.addresses(), at: Date.now() })

for await (const text of createInterface({ input: process.stdin })) {
  const command = commandShape.parse(JSON.parse(text))
  // Not awaited: commands overlap as they do in a real program.
  obey(peer, command).then(
    (value) => tell({ kind: 'reply', to: command.number, value: value ?? null, at: Date.now() }),
    (error: unknown) => tell({ kind: 'failed', to: command.number, refusal: refusalOf(error), at: Date.now() }),
  )
}
await peer.stop()
process.exit() // libp2p leaves timers of a second behind
