import type { SnapshotMetrics } from '../metrics/snapshot-metrics.ts'
import type { Role } from '../options.ts'
import { requireRole, type Authenticate } from './authentication.ts'
import type { Routes } from './own-rules.ts'

/** The metrics in Prometheus' text format, or as OpenMetrics for who asks for that; open unless a role is asked for. */
export function metricsRoute (app: Routes, { path, role }: { path: string, role: Role | null }, metrics: SnapshotMetrics, authenticate: Authenticate): void {
  const onRequest = role === null ? [] : [requireRole(authenticate, role)]
  app.get(path, { onRequest }, async (request, reply) => {
    const { contentType, text } = await metrics.text(request.headers.accept)
    return await reply.type(contentType).header('Vary', 'Accept').send(text)
  })
}
