import { enrol } from '../../peer/identity/enrol.ts'
import { trustAnchor, verifyDevice } from '../../shared/certificate/verify.ts'
import { systemClock } from '../../shared/clock.ts'
import { isRefusal, orThrow } from '../../shared/errors.ts'
import { fromHex, type NetworkId, networkIdOfPin, type PeerId, recordHashOf, roomIdOf } from '../../shared/ids.ts'
import { parseInvite } from '../../shared/invite.ts'
import { FRAME_MAX_BYTES } from '../../shared/limits.ts'
import { openChannel } from '../../shared/network/channel.ts'
import { userNameOf } from '../../shared/user-name.ts'
import { headerCodec, recordCodec, type WireRecord } from '../../shared/wire/record.ts'
import { syncProtocol, syncReplyCodec, syncRequestCodec } from '../../shared/wire/sync.ts'
import { hostile, newKey, testNetwork } from '../support/certificates.ts'
import { createStranger, type Stranger } from '../support/stranger.ts'

// A program: somebody who means ill. `stranger ADDRESS NETWORK` comes with a certificate of its own making. `member ADDRESS
// INVITE` has joined honestly, and then serves a record again, and one that it has altered.

const tell = (line: Readonly<Record<string, unknown>>): void => void process.stdout.write(`${JSON.stringify(line)}\n`)
const someone = (address: string) => ({
  self: { peerId: (address.split('/p2p/')[1] ?? '') as PeerId },
  addresses: () => [address],
})

const stranger = async (address: string, network: NetworkId): Promise<void> => {
  const key = newKey()
  await using rogue = await createStranger(network, { key })
  const own = { ...testNetwork(), network }
  const line = await rogue.callUp(someone(address))
  await line.say(rogue.hello(hostile.selfSigned(own, { user: 'mallory', key })))
  const answer = await line.hear()
  tell({ did: 'hello', code: answer.kind === 'refused' || answer.kind === 'refusal' ? answer.code : 'admitted' })
}

const member = async (address: string, inviteText: string): Promise<void> => {
  const invite = orThrow(parseInvite(inviteText))
  const key = newKey()
  const user = orThrow(userNameOf('mallory'))
  const network = networkIdOfPin(invite.pin)
  await using rogue = await createStranger(network, { key })
  const parts = { node: rogue.node, invite, user, password: 'the demo of lanyard', key, clock: systemClock }
  const { certificate, root } = orThrow(await enrol(parts))
  const anchor = orThrow(trustAnchor(root, systemClock.now()))
  const self = orThrow(verifyDevice(certificate, { anchor, now: systemClock.now() }))

  /** What is served to whoever pulls; each offer once. */
  const offers: { readonly did: string; readonly record: WireRecord }[] = []
  const served = new Map<string, PromiseWithResolvers<void>>()
  await rogue.node.handle(syncProtocol(network), async (stream) => {
    const channel = openChannel(
      stream,
      { incoming: syncRequestCodec, outgoing: syncReplyCodec },
      { maxFrameBytes: FRAME_MAX_BYTES },
    )
    const request = await channel.receive()
    if (isRefusal(request)) return
    if (request.kind === 'rooms') {
      const room = fromHex(roomIdOf(network, 'general'))
      const shared = offers.length > 0 ? [{ room, digest: new Uint8Array(32) }] : []
      await channel.send({ kind: 'rooms', rooms: shared, open: [], openDigest: request.open })
      await channel.close()
      return
    }
    const general = Buffer.compare(request.room, fromHex(roomIdOf(network, 'general'))) === 0
    const offer = general ? offers.shift() : undefined
    if (offer !== undefined) {
      await channel.send({ kind: 'records', records: [recordCodec.encode(offer.record)] })
      served.get(offer.did)?.resolve()
    }
    await channel.send({ kind: 'done', heads: [], left: 0 })
    await channel.close()
  })

  const line = await rogue.callUp(someone(address))
  await line.say(rogue.hello(certificate))
  const answer = await line.hear()
  if (answer.kind !== 'hello') throw new Error(`not admitted: ${JSON.stringify(answer)}`)
  await line.say({ kind: 'admitted' })

  const records = await pull(rogue, network, line.connection)
  const last = records.at(-1)
  if (last === undefined) throw new Error('there is nothing to serve again')
  for (const [did, record] of [
    ['replay', last],
    ['tamper', altered(last)],
  ] as const) {
    served.set(did, Promise.withResolvers())
    offers.push({ did, record })
    await pull(rogue, network, line.connection, self.peerId) // a lie about what we hold: it comes to fetch it
    await served.get(did)?.promise
    tell({ did })
  }
}

/** All records of #general; with `boast`, claiming to hold more than anybody. */
const pull = async (
  rogue: Stranger,
  network: NetworkId,
  connection: Awaited<ReturnType<Stranger['dial']>>,
  boast?: PeerId,
): Promise<WireRecord[]> => {
  const stream = await rogue.node.open(connection, syncProtocol(network))
  const channel = openChannel(
    stream,
    { incoming: syncReplyCodec, outgoing: syncRequestCodec },
    { maxFrameBytes: FRAME_MAX_BYTES },
  )
  const heads = boast === undefined ? [] : [{ device: boast, inc: new Uint8Array(8), seq: 9, hash: new Uint8Array(32) }]
  await channel.send({ kind: 'heads', room: fromHex(roomIdOf(network, 'general')), heads, left: 0 })
  const records: WireRecord[] = []
  for (;;) {
    const reply = await channel.receive()
    if (isRefusal(reply) || reply.kind === 'refused' || reply.kind === 'rooms')
      throw new Error(`no records: ${JSON.stringify(reply)}`)
    if (reply.kind === 'done') {
      await channel.close()
      return records
    }
    records.push(...reply.records.map((bytes) => orThrow(recordCodec.decode(bytes))))
  }
}

/** The record as its author's next one, one second later: well formed, in its place, and not what was signed. */
const altered = (record: WireRecord): WireRecord => {
  const header = orThrow(headerCodec.decode(record.header))
  const [ms, count] = header.time
  const prev = fromHex(recordHashOf(record.header))
  return { ...record, header: headerCodec.encode({ ...header, seq: header.seq + 1, prev, time: [ms + 1000, count] }) }
}

const [act, first = '', second = ''] = process.argv.slice(2)
if (act === 'stranger') await stranger(first, second as NetworkId)
else await member(first, second)
