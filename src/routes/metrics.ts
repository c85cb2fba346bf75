import type { Registry } from 'prom-client'
import type { Role } from '../options.ts'
import { requireRole, type Authenticate } from './authentication.ts'
import type { Routes } from './own-rules.ts'

/** The metrics in Prometheus' text format; open unless a role is asked for. */
export function metricsRoute (app: Routes, { path, role }: { path: string, role: Role | null }, registry: Registry, authenticate: Authenticate): void {
  const onRequest = role === null ? [] : [requireRole(authenticate, role)]
  app.get(path, { onRequest }, async (_request, reply) => await reply.type(registry.contentType).send(await registry.metrics()))
}
