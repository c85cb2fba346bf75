import { Health } from '../schemas/responses.ts'
import type { SnapshotWriter } from '../snapshots/snapshot-writer.ts'
import type { Authenticate } from './authentication.ts'
import type { Routes } from './own-rules.ts'

/** Health for load balancers and people: open to everyone, all else only to a viewer. */
export function healthRoutes (app: Routes, path: string, writer: SnapshotWriter, authenticate: Authenticate): void {
  app.get(path, { schema: { response: { 200: Health, 503: Health } } }, async (request, reply) => {
    const { status, database, ...forViewers } = writer.health()
    const isViewer = await authenticate(request).catch(() => null) !== null
    return await reply.code(status === 'unhealthy' ? 503 : 200).send({ status, database, ...(isViewer && forViewers) })
  })

  app.get(`${path}/live`, async () => ({ status: 'ok' }))
}
