import type { VerifiedDevice } from '../../shared/certificate/verify.ts'
import { isRefusal, type Refusal, refuse, refusedThere } from '../../shared/errors.ts'
import type { Hello, HelloMessage } from '../../shared/wire/hello.ts'
import { PROTOCOL_VERSION } from '../../shared/wire/protocol.ts'

// The rules of the certificate hello, without a stream and without a clock; `hello-handler.ts` moves the bytes.

export type HelloState = { readonly role: 'dialer' | 'listener'; readonly step: HelloStep }
type HelloStep =
  | { readonly kind: 'start' }
  | { readonly kind: 'awaiting-hello' }
  | { readonly kind: 'awaiting-admission'; readonly device: VerifiedDevice; readonly theirs: Hello }
  | { readonly kind: 'over' }

export type HelloEvent =
  | { readonly kind: 'opened' }
  | { readonly kind: 'message'; readonly message: HelloMessage }
  | { readonly kind: 'failed'; readonly refusal: Refusal }

export type HelloEffect =
  | { readonly kind: 'send'; readonly message: HelloMessage }
  | { readonly kind: 'admit'; readonly device: VerifiedDevice; readonly theirs: Hello }
  | { readonly kind: 'refuse'; readonly refusal: Refusal }

export type HelloContext = {
  readonly mine: Hello
  /** Checks the certificate against the roots, the clock, and the key that Noise proved. */
  readonly verify: (theirs: Hello) => VerifiedDevice | Refusal
}

export const startHello = (role: HelloState['role']): HelloState => ({ role, step: { kind: 'start' } })

/** One step of the hello: the next state, and what is to be done, in order. */
export const hello = (
  state: HelloState,
  event: HelloEvent,
  context: HelloContext,
): readonly [HelloState, readonly HelloEffect[]] => {
  if (state.step.kind === 'over') return [state, []]
  switch (event.kind) {
    case 'opened':
      return state.role === 'dialer'
        ? [to(state, { kind: 'awaiting-hello' }), [{ kind: 'send', message: context.mine }]]
        : [to(state, { kind: 'awaiting-hello' }), []]
    case 'failed':
      return end(state, event.refusal)
    case 'message':
      return receive(state, event.message, context)
  }
}

const receive = (
  state: HelloState,
  message: HelloMessage,
  context: HelloContext,
): readonly [HelloState, readonly HelloEffect[]] => {
  if (message.kind === 'refused') return end(state, refusedThere(message.code))
  const { step } = state
  if (message.kind === 'hello' && step.kind === 'awaiting-hello') {
    const device = check(message, context)
    if (isRefusal(device)) return end(state, device)
    return state.role === 'dialer'
      ? [
          to(state, { kind: 'over' }),
          [
            { kind: 'send', message: { kind: 'admitted' } },
            { kind: 'admit', device, theirs: message },
          ],
        ]
      : [to(state, { kind: 'awaiting-admission', device, theirs: message }), [{ kind: 'send', message: context.mine }]]
  }
  if (message.kind === 'admitted' && step.kind === 'awaiting-admission') {
    return [to(state, { kind: 'over' }), [{ kind: 'admit', device: step.device, theirs: step.theirs }]]
  }
  return end(state, refuse('wrong-order', message.kind))
}

const check = (theirs: Hello, { mine, verify }: HelloContext): VerifiedDevice | Refusal => {
  if (theirs.version !== PROTOCOL_VERSION) return refuse('version-unsupported', `version ${theirs.version}`)
  if (theirs.network !== mine.network) return refuse('wrong-network')
  return verify(theirs)
}

const to = (state: HelloState, step: HelloStep): HelloState => ({ ...state, step })

/** The other side is told our refusals; its own it knows. */
const end = (state: HelloState, refusal: Refusal): readonly [HelloState, readonly HelloEffect[]] => [
  to(state, { kind: 'over' }),
  refusal.by === 'here'
    ? [
        { kind: 'send', message: { kind: 'refused', code: refusal.code } },
        { kind: 'refuse', refusal },
      ]
    : [{ kind: 'refuse', refusal }],
]
