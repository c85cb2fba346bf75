import { IntegrityBody, NoQuery } from '../schemas/requests.ts'
import { DatabaseIntegrity } from '../schemas/responses.ts'
import type { SnapshotRecovery } from '../snapshots/snapshot-recovery.ts'
import { requireRole, type Authenticate } from './authentication.ts'
import { BODY_LIMIT, type Routes } from './own-rules.ts'

/** The last integrity check of the live database, and one right now. */
export function integrityRoutes (app: Routes, recovery: SnapshotRecovery, authenticate: Authenticate): void {
  app.get('/integrity', { onRequest: requireRole(authenticate, 'viewer'), schema: { querystring: NoQuery, response: { 200: DatabaseIntegrity } } },
    async () => recovery.lastIntegrityCheck() ?? await recovery.validateDatabaseIntegrity())

  app.post('/integrity', { onRequest: requireRole(authenticate, 'admin'), bodyLimit: BODY_LIMIT, schema: { querystring: NoQuery, body: IntegrityBody, response: { 200: DatabaseIntegrity } } },
    async request => await recovery.validateDatabaseIntegrity(request.body))
}
