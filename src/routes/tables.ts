import type { Static } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { RestoreTablesBody, SnapshotParams, SnapshotQuery } from '../schemas/requests.ts'
import { TablesRestoreResult } from '../schemas/responses.ts'
import type { SnapshotWriter } from '../snapshots/snapshot-writer.ts'
import { requireRole, type Authenticate } from './authentication.ts'
import { BODY_LIMIT, type Routes } from './own-rules.ts'
import { nameIn, snapshotRoute } from './snapshot-path.ts'

const reference = ({ params }: FastifyRequest): string => nameIn(params as Static<typeof SnapshotParams>)
const query = (request: FastifyRequest): Static<typeof SnapshotQuery> => request.query as Static<typeof SnapshotQuery>

/** What is in a snapshot, how the live database differs from it, and its tables brought back. */
export function tableRoutes (app: Routes, writer: SnapshotWriter, authenticate: Authenticate): void {
  const viewer = { onRequest: requireRole(authenticate, 'viewer') }
  const schema = { params: SnapshotParams, querystring: SnapshotQuery }
  snapshotRoute(app, 'GET', '/contents', { ...viewer, schema, handler: async request => await writer.inspectSnapshot(reference(request), query(request)) })
  snapshotRoute(app, 'GET', '/diff', { ...viewer, schema, handler: async request => await writer.diffSnapshot(reference(request), query(request)) })
  snapshotRoute(app, 'POST', '/restore-tables', {
    onRequest: requireRole(authenticate, 'admin'),
    bodyLimit: BODY_LIMIT,
    schema: { ...schema, body: RestoreTablesBody, response: { 200: TablesRestoreResult } },
    handler: async request => {
      const { tables, ...options } = request.body as Static<typeof RestoreTablesBody>
      return await writer.restoreTables(reference(request), tables, { ...options, ...query(request) })
    }
  })
}
