import type { Connection, Node, Stream } from '../shared/network/node.ts'

type Handler = (stream: Stream, connection: Connection) => Promise<void>

/**
 * Ends connections on which nobody talks: a newcomer is here to enrol, and then leaves.
 * @param silenceMs milliseconds from the connection, or from the end of its last stream, to the next stream
 */
export const endSilence = (
  node: Pick<Node, 'onConnection' | 'onDisconnection'>,
  silenceMs: number,
  onSilence: (connection: Connection) => void,
): { watch: (handler: Handler) => Handler; stop: () => void } => {
  const timers = new Map<string, NodeJS.Timeout>()
  const busy = new Map<string, number>()
  const calm = (connection: Connection): void => {
    clearTimeout(timers.get(connection.id))
    timers.delete(connection.id)
  }
  const arm = (connection: Connection): void => {
    calm(connection)
    const end = (): void => {
      timers.delete(connection.id)
      onSilence(connection)
      connection.abort(new Error('silent'))
    }
    timers.set(connection.id, setTimeout(end, silenceMs))
  }
  const ends = [
    node.onConnection(arm),
    node.onDisconnection((connection) => {
      calm(connection)
      busy.delete(connection.id)
    }),
  ]
  return {
    watch: (handler) => async (stream, connection) => {
      calm(connection)
      busy.set(connection.id, (busy.get(connection.id) ?? 0) + 1)
      try {
        await handler(stream, connection)
      } finally {
        const left = (busy.get(connection.id) ?? 1) - 1
        busy.set(connection.id, left)
        if (connection.status !== 'open') busy.delete(connection.id)
        else if (left === 0) arm(connection)
      }
    },
    stop: () => {
      for (const end of ends) end()
      for (const timer of timers.values()) clearTimeout(timer)
    },
  }
}
