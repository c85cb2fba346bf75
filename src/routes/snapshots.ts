import { randomUUID } from 'node:crypto'
import type { Static } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { CreateBody, ListQuery, NoBody, NoQuery, SnapshotParams, SnapshotQuery, UpdateBody } from '../schemas/requests.ts'
import { Operation, RestoreResult, Snapshot, SnapshotList, Verification } from '../schemas/responses.ts'
import type { Snapshot as SnapshotView } from '../snapshots/snapshot.ts'
import type { SnapshotWriter } from '../snapshots/snapshot-writer.ts'
import { requireRole, type Authenticate } from './authentication.ts'
import { BODY_LIMIT, type Routes } from './own-rules.ts'
import { nameIn, snapshotRoute } from './snapshot-path.ts'

const reference = ({ params }: FastifyRequest): string => nameIn(params as Static<typeof SnapshotParams>)
const query = (request: FastifyRequest): Static<typeof SnapshotQuery> => request.query as Static<typeof SnapshotQuery>

/** The routes of snapshots: create, list, read, change, delete, restore, verify, download. */
export function snapshotRoutes (app: Routes, writer: SnapshotWriter, authenticate: Authenticate): void {
  const viewer = { onRequest: requireRole(authenticate, 'viewer'), bodyLimit: BODY_LIMIT }
  const admin = { onRequest: requireRole(authenticate, 'admin'), bodyLimit: BODY_LIMIT }

  app.post('/', { ...admin, schema: { querystring: NoQuery, body: CreateBody, response: { 201: Snapshot, 202: Operation } } }, async (request, reply) => {
    const { name, ...options } = request.body
    if (/\brespond-async\b/i.test(String(request.headers.prefer ?? ''))) return await createInBackground(writer, name, options, request, reply)
    const snapshot = await writer.createSnapshot(name, options)
    return await reply.code(201).header('Location', `${app.prefix}/${snapshot.name}`).send(snapshot)
  })

  app.get('/', { ...viewer, schema: { querystring: ListQuery, response: { 200: SnapshotList } } }, async ({ query: { limit, ...query } }) => await writer.listSnapshots({ ...query, ...(limit !== undefined && { limit: Number(limit) }) }))

  snapshotRoute(app, 'GET', '', {
    ...viewer,
    schema: { params: SnapshotParams, querystring: SnapshotQuery, response: { 200: Snapshot } },
    handler: async request => await writer.getSnapshot(reference(request), query(request))
  })

  snapshotRoute(app, 'PATCH', '', {
    ...admin,
    schema: { params: SnapshotParams, querystring: SnapshotQuery, body: UpdateBody, response: { 200: Snapshot } },
    handler: async request => await writer.updateSnapshot(reference(request), request.body as Static<typeof UpdateBody>, query(request))
  })

  snapshotRoute(app, 'DELETE', '', {
    ...admin,
    schema: { params: SnapshotParams, querystring: SnapshotQuery },
    handler: async (request, reply) => {
      await writer.deleteSnapshot(reference(request), query(request))
      return await reply.code(204).send()
    }
  })

  snapshotRoute(app, 'POST', '/restore', {
    ...admin,
    schema: { params: SnapshotParams, querystring: SnapshotQuery, body: NoBody, response: { 200: RestoreResult } },
    handler: async request => await writer.restoreFromSnapshot(reference(request), query(request))
  })

  snapshotRoute(app, 'POST', '/verify', {
    ...admin,
    schema: { params: SnapshotParams, querystring: SnapshotQuery, body: NoBody, response: { 200: Verification } },
    handler: async request => await writer.verifySnapshot(reference(request), query(request))
  })

  snapshotRoute(app, 'GET', '/download', {
    ...admin,
    exposeHeadRoute: false,
    schema: { params: SnapshotParams, querystring: SnapshotQuery },
    handler: async (request, reply) => {
      const { snapshot, stream } = await writer.downloadSnapshot(reference(request), query(request))
      return await reply
        .type('application/vnd.sqlite3')
        .header('Content-Length', snapshot.size)
        .header('Content-Disposition', `attachment; filename="${snapshot.name}.db"`)
        .send(stream)
    }
  })
}

/** Answers when the snapshot has its place in the catalog; there its status says how it ended. */
async function createInBackground (writer: SnapshotWriter, name: string | undefined, options: Omit<Static<typeof CreateBody>, 'name'>, { log }: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const placed = Promise.withResolvers<SnapshotView>()
  const created = writer.createSnapshot(name, { ...options, onCreating: placed.resolve })
  created.catch((error: unknown) => { log.debug({ err: error }, 'A creation in the background failed') })
  const snapshot = await Promise.race([placed.promise, created])
  return await reply.code(202)
    .header('Location', `${reply.request.url.replace(/\?.*$/, '').replace(/\/$/, '')}/${snapshot.id}`)
    .header('Preference-Applied', 'respond-async')
    .send({ id: randomUUID(), type: 'create', status: 'RUNNING', startedAt: snapshot.createdAt, snapshot })
}
