import type { Succession } from '../../shared/certificate/lineage.ts'
import type { TrustAnchor, VerifiedDevice } from '../../shared/certificate/verify.ts'
import { verifyDevice } from '../../shared/certificate/verify.ts'
import type { Clock } from '../../shared/clock.ts'
import { fault, isRefusal, type Refusal, refusalOf, refuse } from '../../shared/errors.ts'
import type { PeerId } from '../../shared/ids.ts'
import { HELLO_MAX_BYTES, HELLO_TIMEOUT_MS } from '../../shared/limits.ts'
import { openChannel } from '../../shared/network/channel.ts'
import type { Connection, Node, Stream } from '../../shared/network/node.ts'
import { peerIdOf } from '../../shared/network/peer-id.ts'
import { type Hello, helloCodec, helloProtocol } from '../../shared/wire/hello.ts'
import { type HelloContext, type HelloEvent, hello, startHello } from './hello.ts'

export type HelloParts = {
  readonly node: Node
  /** The roots that are trusted at this moment. */
  readonly anchor: () => TrustAnchor
  /** A hello tells of a newer root: null when it is trusted from now on. */
  readonly follow: (succession: Succession) => Refusal | null
  readonly clock: Clock
  /** The CA node, which we dial for lists and renewal. */
  readonly isCa: (connection: Connection) => boolean
  readonly revoked: (serial: string) => boolean
  /** Why a peer is not let in at this moment, however good its certificate. */
  readonly barred: (peer: PeerId) => Refusal | null
  /** Our own side of the hello, as it stands at this moment. */
  readonly mine: () => Hello
  readonly admit: (device: VerifiedDevice, connection: Connection, theirs: Hello) => void
  readonly refused: (refusal: Refusal, connection: Connection) => void
  /** Milliseconds that the other side has; HELLO_TIMEOUT_MS unless told otherwise. */
  readonly timeoutMs?: number
}

/**
 * Says hello on each new connection, and closes those whose hello is late or refused.
 * @returns a function that ends it
 */
export const startHellos = async (parts: HelloParts): Promise<() => void> => {
  const protocol = helloProtocol(parts.anchor().network)
  const { timeoutMs = HELLO_TIMEOUT_MS } = parts
  /** Connections on which nobody has said hello yet, each with the timer that ends them. */
  const silent = new Map<string, NodeJS.Timeout>()
  /** A hello may come before its connection is announced. */
  const heard = new Set<string>()
  const hear = (connection: Connection): void => {
    heard.add(connection.id)
    clearTimeout(silent.get(connection.id))
    silent.delete(connection.id)
  }

  await parts.node.handle(protocol, async (stream, connection) => {
    hear(connection)
    await orEnd(parts, connection, () => converse(parts, 'listener', stream, connection))
  })
  const ends = [
    parts.node.onConnection((connection) => {
      if (parts.isCa(connection)) return // it has no place among the devices
      if (connection.direction === 'outbound') {
        void dialerSide(parts, protocol, connection)
        return
      }
      if (heard.has(connection.id)) return
      silent.set(
        connection.id,
        setTimeout(() => {
          silent.delete(connection.id)
          parts.refused(refuse('silent'), connection)
          connection.abort(new Error('silent'))
        }, timeoutMs),
      )
    }),
    parts.node.onDisconnection((connection) => {
      hear(connection)
      heard.delete(connection.id)
    }),
  ]
  return () => {
    for (const end of ends) end()
    for (const timer of silent.values()) clearTimeout(timer)
  }
}

const dialerSide = (parts: HelloParts, protocol: string, connection: Connection): Promise<void> =>
  orEnd(parts, connection, async () => {
    const signal = AbortSignal.timeout(parts.timeoutMs ?? HELLO_TIMEOUT_MS)
    const stream = await parts.node.open(connection, protocol, { signal }).catch((cause: unknown) => {
      throw signal.aborted ? fault('silent', undefined, cause) : cause
    })
    await converse(parts, 'dialer', stream, connection)
  })

/** A hello that breaks off ends its connection: nothing else would, since nobody is silent on it any more. */
const orEnd = async (parts: HelloParts, connection: Connection, conversation: () => Promise<void>): Promise<void> => {
  try {
    await conversation()
  } catch (error) {
    parts.refused(refusalOf(error), connection)
    connection.abort(new Error('no hello'))
  }
}

const converse = async (
  parts: HelloParts,
  role: 'dialer' | 'listener',
  stream: Stream,
  connection: Connection,
): Promise<void> => {
  const { timeoutMs = HELLO_TIMEOUT_MS } = parts
  const channel = openChannel(
    stream,
    { incoming: helloCodec, outgoing: helloCodec },
    { maxFrameBytes: HELLO_MAX_BYTES, timeoutMs },
  )
  const remoteSpki = connection.remotePeer.publicKey?.raw
  const context: HelloContext = {
    mine: parts.mine(),
    verify: ({ certificate, succession }) => {
      if (remoteSpki === undefined) return refuse('certificate-wrong-key', 'the connection proved no RSA key')
      const unfollowed = succession === undefined ? null : parts.follow(succession)
      if (unfollowed !== null) return unfollowed
      const { anchor, clock, revoked } = parts
      const device = verifyDevice(certificate, { anchor: anchor(), now: clock.now(), remoteSpki, revoked })
      return isRefusal(device) ? device : (parts.barred(peerIdOf(connection.remotePeer)) ?? device)
    },
  }
  const deadline = performance.now() + timeoutMs
  let state = startHello(role)
  let event: HelloEvent = { kind: 'opened' }
  while (state.step.kind !== 'over') {
    const [next, effects] = hello(state, event, context)
    state = next
    for (const effect of effects) {
      switch (effect.kind) {
        case 'send':
          // A refusal that can't be told any more changes nothing for us.
          await channel.send(effect.message).catch((error: unknown) => {
            if (effect.message.kind !== 'refused') throw error
          })
          break
        case 'admit':
          parts.admit(effect.device, connection, effect.theirs)
          break
        case 'refuse':
          parts.refused(effect.refusal, connection)
          await channel.close()
          await closeSoon(connection, effect.refusal.by === 'here')
          return
      }
    }
    if (state.step.kind === 'over') break
    const message = await channel.receive(Math.max(0, deadline - performance.now()))
    event = isRefusal(message)
      ? { kind: 'failed', refusal: message.code === 'too-late' ? refuse('silent') : message }
      : { kind: 'message', message }
  }
  await channel.close()
}

/** A refused side needs a moment to read why; it closes itself then, and we only if it does not. */
const closeSoon = async (connection: Connection, weRefused: boolean): Promise<void> => {
  if (weRefused && connection.status === 'open') {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, REFUSAL_READ_MS)
      connection.addEventListener('close', () => {
        clearTimeout(timer)
        resolve()
      })
    })
  }
  await connection
    .close({ signal: AbortSignal.timeout(REFUSAL_READ_MS) })
    .catch(() => connection.abort(new Error('refused')))
}

const REFUSAL_READ_MS = 1_000 // a refused peer on a slow link still reads its refusal
