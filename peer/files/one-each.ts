/** Does work for a client once what was begun for it before is done. @throws what the work throws */
export type OneEach = <T>(client: string, work: () => Promise<T>) => Promise<T>

/** Work for many clients, of each of them one piece at a time: who asks for much at once gets no more than who asks for little. */
export const createOneEach = (): OneEach => {
  const lines = new Map<string, Promise<unknown>>()
  return async (client, work) => {
    const before = lines.get(client) ?? Promise.resolve()
    const mine = before.then(work, work)
    lines.set(client, mine)
    try {
      return await mine
    } finally {
      if (lines.get(client) === mine) lines.delete(client)
    }
  }
}
