import Fastify, { type FastifyInstance, type FastifyServerOptions, type InjectOptions, type LightMyRequestResponse } from 'fastify'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import type { SnapshotsPluginOptions } from '../../src/index.ts'
import { makeDatabase } from './databases.ts'
import { testFolder } from './folder.ts'
import { underTest } from './under-test.ts'

export const ADMIN_TOKEN = 'admin-token-for-tests'
export const VIEWER_TOKEN = 'viewer-token-for-tests'

export interface Host {
  app: FastifyInstance
  /** Path of the application's database. */
  path: string
  folder: string
  snapshotDir: string
  /** Sends a request as an admin; a body is sent as JSON. */
  request: (method: InjectOptions['method'], url: string, body?: object, headers?: Record<string, string>) => Promise<LightMyRequestResponse>
  /** Lines of the log, parsed. */
  log: Array<{ level: number, msg: string, err?: { message: string, code: string } }>
}

/** A host with a small database at `app.db`, the plugin registered and no schedules; closed when the test ends. */
export async function startHost (t: Test, options: SnapshotsPluginOptions = {}, server: FastifyServerOptions = {}): Promise<Host> {
  const path = options.database ?? join(testFolder(t), 'app.db')
  const folder = dirname(path)
  if (options.database === undefined) makeDatabase(path).close()
  const log: Host['log'] = []
  const app = Fastify({ logger: { stream: { write (line: string) { log.push(JSON.parse(line)) } } }, ...server })
  t.teardown(async () => { await app.close() })
  await app.register(underTest.snapshots, { database: path, auth: { admin: ADMIN_TOKEN, viewer: VIEWER_TOKEN }, schedule: false, probeStorage: false, ...options })
  await app.ready()
  const request = adminRequests(app)
  return { app, path, folder, snapshotDir: options.snapshotDir ?? join(folder, 'backups'), request, log }
}

/** Requests to a host as an admin sends them. */
export function adminRequests (app: FastifyInstance): Host['request'] {
  return async (method, url, body, headers = {}) => await app.inject({
    method,
    url,
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, ...headers },
    ...(body !== undefined && { payload: body })
  })
}
