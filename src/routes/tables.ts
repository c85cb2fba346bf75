import type { Static } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { SnapshotParams, SnapshotQuery } from '../schemas/requests.ts'
import type { SnapshotWriter } from '../snapshots/snapshot-writer.ts'
import { requireRole, type Authenticate } from './authentication.ts'
import type { Routes } from './own-rules.ts'
import { nameIn, snapshotRoute } from './snapshot-path.ts'

/** What is in a snapshot, and how the live database differs from it. */
export function tableRoutes (app: Routes, writer: SnapshotWriter, authenticate: Authenticate): void {
  const options = { onRequest: requireRole(authenticate, 'viewer'), schema: { params: SnapshotParams, querystring: SnapshotQuery } }
  const reference = ({ params }: FastifyRequest): string => nameIn(params as Static<typeof SnapshotParams>)
  const query = (request: FastifyRequest): Static<typeof SnapshotQuery> => request.query as Static<typeof SnapshotQuery>
  snapshotRoute(app, 'GET', '/contents', { ...options, handler: async request => await writer.inspectSnapshot(reference(request), query(request)) })
  snapshotRoute(app, 'GET', '/diff', { ...options, handler: async request => await writer.diffSnapshot(reference(request), query(request)) })
}
