import { ConfirmationError } from '../errors.ts'
import { NoQuery, ResetBody, RollbackBody } from '../schemas/requests.ts'
import { Recovery, ResetResult, RollbackResult } from '../schemas/responses.ts'
import type { SnapshotRecovery } from '../snapshots/snapshot-recovery.ts'
import { requireRole, type Authenticate } from './authentication.ts'
import { BODY_LIMIT, type Routes } from './own-rules.ts'

/** What was kept from before restores, and the ways back. What replaces the database must name it: `confirm`. */
export function recoveryRoutes (app: Routes, recovery: SnapshotRecovery, database: string, authenticate: Authenticate): void {
  const admin = { onRequest: requireRole(authenticate, 'admin'), bodyLimit: BODY_LIMIT }
  const requireConfirmed = (confirm: string | undefined): void => {
    if (confirm !== database) throw new ConfirmationError(database)
  }

  app.get('/recovery', { onRequest: requireRole(authenticate, 'viewer'), schema: { querystring: NoQuery, response: { 200: Recovery } } },
    async () => ({ backups: recovery.listPreRestoreBackups(), restores: recovery.listRestores() }))

  app.post('/recovery/rollback', { ...admin, schema: { querystring: NoQuery, body: RollbackBody, response: { 200: RollbackResult } } }, async ({ body: { confirm, ...options } }) => {
    requireConfirmed(confirm)
    return await recovery.rollback(options)
  })

  app.post('/recovery/reset', { ...admin, schema: { querystring: NoQuery, body: ResetBody, response: { 200: ResetResult } } }, async ({ body: { confirm, ...options } }) => {
    requireConfirmed(confirm)
    return await recovery.emergencyDatabaseReset(options)
  })
}
