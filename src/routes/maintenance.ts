import type { FastifyInstance } from 'fastify'
import { MaintenanceError } from '../errors.ts'
import type { MaintenanceOptions } from '../options.ts'
import { MaintenanceBody, NoQuery } from '../schemas/requests.ts'
import { Maintenance } from '../schemas/responses.ts'
import type { SnapshotWriter } from '../snapshots/snapshot-writer.ts'
import { requireRole, type Authenticate } from './authentication.ts'
import { BODY_LIMIT, type Routes } from './own-rules.ts'

/** Methods that change nothing (https://www.rfc-editor.org/rfc/rfc9110#name-safe-methods). */
const SAFE = ['GET', 'HEAD', 'OPTIONS', 'TRACE']

/** Begins and ends the time in which the application takes no changes. */
export function maintenanceRoutes (app: Routes, writer: SnapshotWriter, authenticate: Authenticate): void {
  const admin = { onRequest: requireRole(authenticate, 'admin'), bodyLimit: BODY_LIMIT }
  app.post('/maintenance', { ...admin, schema: { querystring: NoQuery, body: MaintenanceBody, response: { 200: Maintenance } } },
    async ({ body: { reason } }) => await writer.maintenance.enter(reason))

  app.delete('/maintenance', { ...admin, schema: { querystring: NoQuery } }, async (_request, reply) => {
    await writer.maintenance.exit()
    return await reply.code(204).send()
  })
}

/** Turns the requests away that may change something, while the application takes no changes; not those of this plugin's own routes. */
export function refuseChanges (app: FastifyInstance, writer: SnapshotWriter, { duringRestores, retryAfter }: Required<MaintenanceOptions>): void {
  app.addHook('onRequest', async (request, reply) => {
    if (SAFE.includes(request.method) || request.routeOptions.config.isOfSnapshots === true) return
    const { state } = writer.maintenance
    const reason = state?.reason ?? (duringRestores && writer.isRestoring ? 'A backup is being restored' : null)
    if (reason === null) return
    reply.header('Retry-After', retryAfter)
    throw new MaintenanceError(reason)
  })
}
