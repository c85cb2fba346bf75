import { Health } from '../schemas/responses.ts'
import type { SnapshotWriter } from '../snapshots/snapshot-writer.ts'
import type { Authenticate } from './authentication.ts'
import type { Routes } from './own-rules.ts'

/** A database whose health is shown. */
export interface HealthOf { writer: SnapshotWriter, authenticate: Authenticate }

/** From the best to the worst. */
const STATUSES = ['ok', 'degraded', 'unhealthy']

/**
 * Health for load balancers and people: open to everyone, all else only to a viewer. Of several databases it is that of the one
 * that is worst off; of the others a viewer of theirs is told.
 */
export function healthRoutes (app: Routes, path: string, all: readonly HealthOf[]): void {
  app.get(path, { schema: { response: { 200: Health, 503: Health } } }, async (request, reply) => {
    const databases = await Promise.all(all.map(async ({ writer, authenticate }) => ({ health: writer.health(), isViewer: await authenticate(request).then(role => role !== null, () => false) })))
    const worst = databases.toSorted((a, b) => STATUSES.indexOf(b.health.status) - STATUSES.indexOf(a.health.status))[0] as (typeof databases)[number]
    const { status, database, ...forViewers } = worst.health
    const shown = databases.filter(({ isViewer }) => isViewer).map(({ health }) => health)
    return await reply.code(status === 'unhealthy' ? 503 : 200).send({ status, database, ...worst.isViewer && forViewers, ...all.length > 1 && shown.length > 0 && { databases: shown } })
  })

  app.get(`${path}/live`, async () => ({ status: 'ok' }))
}
