import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import type { Test } from 'tap'
import type { SnapshotsPluginOptions } from '../../src/index.ts'
import { ADMIN_TOKEN, adminRequests, VIEWER_TOKEN, type Host } from './host.ts'
import { underTest } from './under-test.ts'

export interface CustomHostOptions {
  plugin?: SnapshotsPluginOptions
  server?: FastifyServerOptions
  /** What the host does before it registers the plugin. */
  before?: (app: FastifyInstance) => void | Promise<void>
  /** What it does after that. */
  after?: (app: FastifyInstance) => void | Promise<void>
}

export type CustomHost = Pick<Host, 'app' | 'path' | 'request' | 'log'>

/** A host on a database that is there already, or deliberately not; closed when the test ends. */
export async function customHost (t: Test, path: string, { plugin = {}, server = {}, before, after }: CustomHostOptions = {}): Promise<CustomHost> {
  const log: Host['log'] = []
  const app = Fastify({ logger: { stream: { write (line: string) { log.push(JSON.parse(line)) } } }, ...server })
  t.teardown(async () => { await app.close() })
  await before?.(app)
  await app.register(underTest.snapshots, { database: path, auth: { admin: ADMIN_TOKEN, viewer: VIEWER_TOKEN }, schedule: false, probeStorage: false, ...plugin })
  await after?.(app)
  await app.ready()
  const request = adminRequests(app)
  return { app, path, request, log }
}
