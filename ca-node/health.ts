import { createServer, type ServerResponse } from 'node:http'
import { fault, refusalOf } from '../shared/errors.ts'
import { SECOND_MS } from '../shared/limits.ts'
import type { Counts } from './overview.ts'

/** How the CA stands at this moment. Times are milliseconds since the Unix epoch. */
export type Vitals = Counts & {
  readonly now: number
  readonly crl: { readonly number: number; readonly madeAt: number; readonly nextUpdate: number }
  /** How often each thing happened since the start: `enrolled` by door, `refused` by code. */
  readonly events: ReadonlyMap<string, ReadonlyMap<string, number>>
}

export type Health = { readonly port: number; stop(): Promise<void> }

/** Counts what the log tells, for the metrics. */
export const createTally = () => {
  const events = new Map<string, Map<string, number>>()
  return {
    events,
    note: (event: string, facts: Readonly<Record<string, unknown>>): void => {
      const label = String(facts.door ?? facts.reason ?? '')
      const labels = events.get(event) ?? new Map<string, number>()
      events.set(event, labels.set(label, (labels.get(label) ?? 0) + 1))
    },
  }
}

/**
 * `/health` (200, or 503 with the reason) and `/metrics` (Prometheus) on 127.0.0.1, for this machine only.
 * @param port 0 for any that is free
 * @throws LanyardError `address-in-use`
 */
export const startHealth = async (port: number, vitals: () => Promise<Vitals>): Promise<Health> => {
  const server = createServer((request, response) => {
    // A web page that was given our address by its own name server has another Host.
    const host = (request.headers.host ?? '').replace(/:\d+$/, '')
    if (host !== '127.0.0.1' && host !== 'localhost')
      return send(response, 403, 'text/plain', 'only for this machine\n')
    if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, 405, 'text/plain', 'GET only\n')
    if (request.url === '/health') return void answer(response, vitals, healthOf)
    if (request.url === '/metrics') return void answer(response, vitals, metricsOf)
    send(response, 404, 'text/plain', 'there are /health and /metrics\n')
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(fault('address-in-use', `127.0.0.1:${port}`, cause)))
    server.listen(port, '127.0.0.1', resolve)
  })
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

type Page = { readonly status: number; readonly type: string; readonly body: string }

const answer = async (response: ServerResponse, vitals: () => Promise<Vitals>, page: (now: Vitals) => Page) => {
  const { status, type, body } = await vitals().then(page, (error: unknown) => failing(refusalOf(error).code))
  send(response, status, type, body)
}

const send = (response: ServerResponse, status: number, type: string, body: string): void => {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body)
}

const JSON_TYPE = 'application/json'
const failing = (reason: string): Page => ({
  status: 503,
  type: JSON_TYPE,
  body: `${JSON.stringify({ ok: false, reason })}\n`,
})

const healthOf = ({ crl, now }: Vitals): Page => {
  if (now > crl.nextUpdate) return failing('crl-stale')
  const facts = { ok: true, crl: { number: crl.number, nextUpdate: new Date(crl.nextUpdate).toISOString() } }
  return { status: 200, type: JSON_TYPE, body: `${JSON.stringify(facts)}\n` }
}

/** The text format of Prometheus, version 0.0.4. */
const metricsOf = (vitals: Vitals): Page => {
  const gauges: readonly (readonly [string, string, number])[] = [
    ['users', 'Users that have joined.', vitals.users],
    ['users_disabled', 'Users that are disabled.', vitals.disabled],
    ['devices', 'Devices that are not revoked.', vitals.devices],
    ['devices_revoked', 'Devices that are revoked.', vitals.revoked],
    ['certificates', 'Certificates in their time, not revoked.', vitals.certificates],
    ['invites_open', 'Invites that are still good.', vitals.openInvites],
    ['audit_rows', 'Rows of the audit.', vitals.auditRows],
    ['crl_number', 'Number of the newest revocation list.', vitals.crl.number],
    ['crl_age_seconds', 'Age of the newest revocation list.', (vitals.now - vitals.crl.madeAt) / SECOND_MS],
    ['crl_next_update_seconds', 'Until it is stale.', (vitals.crl.nextUpdate - vitals.now) / SECOND_MS],
  ]
  const lines = gauges.flatMap(([name, help, value]) => [
    `# HELP lanyard_ca_${name} ${help}`,
    `# TYPE lanyard_ca_${name} gauge`,
    `lanyard_ca_${name} ${value}`,
  ])
  const counters = [
    ['enrolled', 'door', 'Certificates issued since the start.'],
    ['refused', 'code', 'Enrolments refused since the start.'],
  ] as const
  for (const [event, label, help] of counters) {
    lines.push(`# HELP lanyard_ca_${event}_total ${help}`, `# TYPE lanyard_ca_${event}_total counter`)
    for (const [value, count] of vitals.events.get(event) ?? []) {
      lines.push(`lanyard_ca_${event}_total{${label}="${value}"} ${count}`)
    }
  }
  return { status: 200, type: 'text/plain; version=0.0.4', body: `${lines.join('\n')}\n` }
}
