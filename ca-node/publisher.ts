import type { Clock } from '../shared/clock.ts'
import { type Code, fault, refusalOf } from '../shared/errors.ts'
import { CRL_CHECK_MS, REVOCATION_POLL_MS } from '../shared/limits.ts'
import type { Authority } from './authority.ts'
import { type CrlSigner, checkClock, type Revocations, type SignedCrl } from './revocations.ts'

export type PublisherParts = {
  readonly revocations: Pick<Revocations, 'due' | 'latest' | 'latestNumber' | 'publish' | 'unsigned' | 'witness'>
  readonly signer: CrlSigner
  /** Which of the network's roots has signed a list. */
  readonly signerOf: Authority['signerOf']
  readonly clock: Clock
  readonly log: (event: string, facts: Readonly<Record<string, unknown>>) => void
}

/** Keeps the revocation list fresh while the CA serves. */
export type Publisher = {
  /** The newest list. */
  latest(): SignedCrl
  /** Makes a list now if one is due; what was revoked before the call stands in it. */
  refresh(): Promise<SignedCrl>
  /** Called when there is a newer list. @returns a function that ends the calls */
  onNewer(listener: () => void): () => void
  stop(): Promise<void>
}

/**
 * A list at the start if one is due, then at each revocation, by whichever process it was written down, once a day, and
 * after a roll-over of the root.
 * @throws LanyardError `clock-behind`, `root-outdated`, `storage-failed`
 */
export const startPublisher = async ({
  revocations,
  signer,
  signerOf,
  clock,
  log,
}: PublisherParts): Promise<Publisher> => {
  /** Whether an older root has signed it: then it is signed anew, which whoever follows the new root waits for. */
  const isElders = ({ der }: SignedCrl): boolean => {
    const signer = signerOf(der)
    if (signer === 'unknown') throw fault('root-outdated')
    return signer === 'elder'
  }
  const before = await revocations.latest()
  if (before !== null) checkClock(before, clock.now())
  let newest = before ?? (await revocations.publish(signer, clock.now(), 'if-due'))
  let outdated = isElders(newest)
  const listeners = new Set<() => void>()

  const look = async (): Promise<void> => {
    const now = clock.now()
    // Another process that serves the same database may have been faster.
    const others = (await revocations.latestNumber()) > newest.number ? await revocations.latest() : null
    if (others !== null) outdated = isElders(others)
    const due = outdated || (await revocations.due(now))
    const next = due ? await revocations.publish(signer, now, outdated ? 'now' : 'if-due') : others
    if (next === null || next.number <= newest.number) return
    await revocations.witness(next)
    outdated = isElders(next)
    newest = next
    log('crl', { number: newest.number })
    for (const listener of listeners) listener()
  }
  let failing: Code | null = null
  // One look at a time: each goes behind those before it.
  let line: Promise<void> = Promise.resolve()
  const inTurn = (job: () => Promise<void>): Promise<void> => {
    const turn = line.then(job)
    line = turn.then(
      () => {
        failing = null
      },
      (error: unknown) => {
        const { code, detail } = refusalOf(error)
        // Said once: with a database server that is gone it would be said four times a second.
        if (code !== failing) log('crl-failed', { reason: code, detail })
        failing = code
      },
    )
    return turn
  }
  const refresh = (): Promise<SignedCrl> => inTurn(look).then(() => newest)
  const quietly = (job: () => Promise<void>) => (): void => void inTurn(job).catch(() => undefined) // it is in the log
  await refresh()

  const lookIfRevoked = async (): Promise<void> => {
    if ((await revocations.unsigned()) || (await revocations.latestNumber()) > newest.number) await look()
  }
  let polling = false
  const poll = setInterval(() => {
    if (polling) return // the one before still waits: for the lock, or for a server that is gone
    polling = true
    inTurn(lookIfRevoked)
      .catch(() => undefined)
      .finally(() => {
        polling = false
      })
  }, REVOCATION_POLL_MS)
  const daily = setInterval(quietly(look), CRL_CHECK_MS)
  return {
    latest: () => newest,
    refresh,
    onNewer: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    stop: async () => {
      clearInterval(poll)
      clearInterval(daily)
      await line
    },
  }
}
