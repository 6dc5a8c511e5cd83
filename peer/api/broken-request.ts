import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { type Refusal, refuse } from '../../shared/errors.ts'
import { refusalJson } from './refusal-json.ts'

/** Answers what never becomes a request, since it is no HTTP, too large, or too slow, in the shape of every refusal; and hangs up. */
export const answerBroken = (error: Error, socket: Duplex): void => {
  const cause = 'code' in error ? String(error.code) : ''
  if (cause === 'ECONNRESET' || !socket.writable) {
    socket.destroy() // nobody is there
    return
  }
  const [status, refusal] = ANSWERS[cause] ?? [400, refuse('input-invalid', 'that is no HTTP request')]
  const body = JSON.stringify(refusalJson(refusal))
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
}

/** By Node's own codes: https://nodejs.org/api/http.html#event-clienterror */
const ANSWERS: Readonly<Record<string, readonly [number, Refusal]>> = {
  HPE_HEADER_OVERFLOW: [431, refuse('api-too-large', 'the head of the request')],
  ERR_HTTP_REQUEST_TIMEOUT: [408, refuse('input-invalid', 'the request did not come whole in time')],
}
