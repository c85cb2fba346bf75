import { NoQuery, RetentionBody } from '../schemas/requests.ts'
import { RetentionPlan, RetentionResult } from '../schemas/responses.ts'
import type { SnapshotRetention } from '../snapshots/snapshot-retention.ts'
import { requireRole, type Authenticate } from './authentication.ts'
import { BODY_LIMIT, type Routes } from './own-rules.ts'

/** What retention would delete and why, and its run right now. */
export function retentionRoutes (app: Routes, retention: SnapshotRetention, authenticate: Authenticate): void {
  app.get('/retention', { onRequest: requireRole(authenticate, 'viewer'), schema: { querystring: NoQuery, response: { 200: RetentionPlan } } },
    async () => await retention.plan())

  app.post('/retention', { onRequest: requireRole(authenticate, 'admin'), bodyLimit: BODY_LIMIT, schema: { querystring: NoQuery, body: RetentionBody, response: { 200: RetentionResult } } },
    async ({ body }) => await retention.apply(body))
}
