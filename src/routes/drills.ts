import { DrillBody, NoQuery } from '../schemas/requests.ts'
import { Drill, DrillList } from '../schemas/responses.ts'
import type { SnapshotDrills } from '../snapshots/snapshot-drills.ts'
import { requireRole, type Authenticate } from './authentication.ts'
import { BODY_LIMIT, type Routes } from './own-rules.ts'

/** The history of rehearsed restores, and one right now. */
export function drillRoutes (app: Routes, drills: SnapshotDrills, authenticate: Authenticate): void {
  app.get('/drills', { onRequest: requireRole(authenticate, 'viewer'), schema: { querystring: NoQuery, response: { 200: DrillList } } },
    async () => ({ drills: drills.listDrills() }))

  app.post('/drills', { onRequest: requireRole(authenticate, 'admin'), bodyLimit: BODY_LIMIT, schema: { querystring: NoQuery, body: DrillBody, response: { 200: Drill } } },
    async ({ body }) => await drills.runDrill(body))
}
