import type { Owner } from './scheduler.ts'

/** Carries something from one owner to another; in the order in which it was handed in. */
export type Carry = (bytes: number, what: string, arrive: () => void) => void

type Listener = (event: { readonly data?: Uint8Array; readonly error?: Error }) => void

/** As much of a libp2p stream as the house uses: bytes both ways, each way with an end, and with back-pressure. */
export class SimulatedStream {
  readonly protocol: string
  readBufferLength = 0
  readableEnded = false
  status: 'open' | 'closed' | 'aborted' | 'reset' = 'open'
  readStatus: 'readable' | 'paused' | 'closed' = 'readable'
  peer: SimulatedStream | null = null
  readonly #owner: Owner
  readonly #carry: Carry
  readonly #window: number
  readonly #listeners = new Map<string, Set<Listener>>()
  readonly #held: Uint8Array[] = []
  #underWay = 0
  #writeEnded = false

  /** @param window bytes on their way, past which `send` answers false until they have arrived */
  constructor(protocol: string, owner: Owner, carry: Carry, window: number) {
    this.protocol = protocol
    this.#owner = owner
    this.#carry = carry
    this.#window = window
  }

  send(data: Uint8Array): boolean {
    if (this.status !== 'open' || this.#writeEnded) throw new Error('the stream is closed')
    const bytes = new Uint8Array(data)
    this.#underWay += bytes.byteLength
    this.#carry(bytes.byteLength, `${short(this.protocol)} ${bytes.byteLength}`, () => {
      this.peer?.arrive(bytes)
      this.#flown(bytes.byteLength)
    })
    return this.#underWay <= this.#window
  }

  async close(): Promise<void> {
    if (this.#writeEnded || this.status !== 'open') return
    this.#writeEnded = true
    this.#carry(0, `${short(this.protocol)} end`, () => this.peer?.endOfThem())
    this.#closeIfDone()
  }

  abort(error: Error): void {
    if (this.status !== 'open') return
    this.fail('aborted', error)
    this.#carry(0, `${short(this.protocol)} reset`, () => this.peer?.fail('reset', new Error('reset')))
  }

  pause(): void {
    if (this.readStatus === 'readable') this.readStatus = 'paused'
  }
  resume(): void {
    if (this.readStatus !== 'paused') return
    this.readStatus = 'readable'
    this.#giveHeld()
  }

  addEventListener(name: string, listener: Listener): void {
    const same = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, same.add(listener))
    if (name === 'message' && this.readStatus === 'readable') this.#giveHeld()
  }
  removeEventListener(name: string, listener: Listener): void {
    this.#listeners.get(name)?.delete(listener)
  }

  /** The connection is gone, or the other side has dropped the stream. */
  fail(status: 'aborted' | 'reset', error: Error): void {
    if (this.status !== 'open') return
    this.status = status
    this.readStatus = 'closed'
    this.readableEnded = true
    this.#tell('close', { error })
  }

  arrive(bytes: Uint8Array): void {
    if (this.status !== 'open') return
    if (this.readStatus === 'paused' || !this.#listeners.has('message')) {
      this.#held.push(bytes)
      this.readBufferLength += bytes.byteLength
    } else this.#give(bytes)
  }
  endOfThem(): void {
    if (this.status !== 'open' || this.readableEnded) return
    this.readableEnded = true
    this.#tell('end', {})
    this.#closeIfDone()
  }

  #giveHeld(): void {
    for (const bytes of this.#held.splice(0)) this.#give(bytes)
  }
  #give(bytes: Uint8Array): void {
    this.readBufferLength = Math.max(0, this.readBufferLength - bytes.byteLength)
    this.#tell('message', { data: bytes })
  }
  /** The acknowledgement takes no time here: what is measured in bytes on their way needs none. */
  #flown(bytes: number): void {
    const wasFull = this.#underWay > this.#window
    this.#underWay -= bytes
    if (wasFull && this.#underWay <= this.#window && this.#owner.alive) this.#drains()
  }
  #drains(): void {
    this.#carryBack(() => this.#tell('drain', {}))
  }
  #carryBack(run: () => void): void {
    this.peer?.back(run)
  }
  /** Runs something at the other side, as an event of its own. */
  back(run: () => void): void {
    this.#carry(0, `${short(this.protocol)} drain`, run)
  }
  #closeIfDone(): void {
    if (!this.#writeEnded || !this.readableEnded || this.status !== 'open') return
    this.status = 'closed'
    this.readStatus = 'closed'
    this.#tell('close', {})
  }
  #tell(name: string, event: { readonly data?: Uint8Array; readonly error?: Error }): void {
    if (!this.#owner.alive) return
    for (const listener of [...(this.#listeners.get(name) ?? [])]) listener(event)
  }
}

const short = (protocol: string): string => protocol.split('/').at(-2) ?? protocol
