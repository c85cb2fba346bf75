import fastifySchedule from '@fastify/schedule'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { ToadScheduler } from 'toad-scheduler'
import { pluginSettings, type SnapshotsPluginOptions } from './options.ts'
import { decorate, metricsOf, requireFree, showHealth, showMetrics } from './registrations.ts'
import { authentication } from './routes/authentication.ts'
import { drillRoutes } from './routes/drills.ts'
import { integrityRoutes } from './routes/integrity.ts'
import { maintenanceRoutes, refuseChanges } from './routes/maintenance.ts'
import { applyOwnRules } from './routes/own-rules.ts'
import { recoveryRoutes } from './routes/recovery.ts'
import { retentionRoutes } from './routes/retention.ts'
import { snapshotRoutes } from './routes/snapshots.ts'
import { tableRoutes } from './routes/tables.ts'
import { checkSchedule, ScheduledJobs } from './schedule/jobs.ts'
import { SnapshotContext } from './snapshots/context.ts'
import { SnapshotWriter } from './snapshots/snapshot-writer.ts'

/**
 * The databases of an application that has several, for its types:
 *
 * ```ts
 * declare module 'fastify-sqlite-snapshots' { interface SnapshotNamespaces { orders: SnapshotWriter } }
 * ```
 */
export interface SnapshotNamespaces {}

declare module 'fastify' {
  interface FastifyInstance {
    /** The snapshots of the application's database, and with `.recovery` its integrity; by namespace where there are several. */
    snapshots: SnapshotWriter & SnapshotNamespaces
    scheduler: ToadScheduler
  }
  interface FastifyContextConfig {
    /** A route of this plugin, which serves also while the application takes no changes. */
    isOfSnapshots?: boolean
  }
}

async function plugin (app: FastifyInstance, options: SnapshotsPluginOptions): Promise<void> {
  const settings = pluginSettings({ logger: app.log, ...options })
  checkSchedule(settings.schedule)
  requireFree(app, settings.namespace)
  const context = new SnapshotContext(settings)
  const writer = new SnapshotWriter(context)
  const jobs = new ScheduledJobs(context, writer, settings)
  const metrics = metricsOf(app, settings)
  const source = { context, nextRuns: () => jobs.nextRuns() }
  // Before the server waits for its requests, so that they end; reading stays possible until it has closed.
  let isClosing = false
  app.addHook('preClose', async () => {
    isClosing = true
    jobs.stop()
    await writer.drain()
    await jobs.drain()
  })
  app.addHook('onClose', async () => {
    metrics?.remove(source)
    await writer.close()
  })
  decorate(app, settings.namespace, writer)
  metrics?.add(source)

  refuseChanges(app, writer, settings.maintenance)
  const authenticate = authentication(settings.auth)
  await app.register(async scope => {
    const routes = applyOwnRules(scope, () => isClosing)
    snapshotRoutes(routes, writer, authenticate)
    tableRoutes(routes, writer, authenticate)
    integrityRoutes(routes, writer.recovery, authenticate)
    recoveryRoutes(routes, writer.recovery, settings.databaseName, authenticate)
    retentionRoutes(routes, writer.retention, authenticate)
    drillRoutes(routes, writer.drills, authenticate)
    maintenanceRoutes(routes, writer, authenticate)
  }, { prefix: settings.prefix })
  await app.register(async scope => {
    const routes = applyOwnRules(scope, () => isClosing)
    showHealth(app, routes, settings, { writer, authenticate })
    showMetrics(app, routes, settings, metrics, authenticate)
  })

  if (!app.hasDecorator('scheduler')) await app.register(fastifySchedule)
  app.addHook('onReady', async () => { jobs.start(app.scheduler) })
}

/**
 * Snapshots of the application's SQLite database: on demand and on schedule, with restores into the running application,
 * routes for operators, health and metrics.
 *
 * ```js
 * await app.register(snapshots, { database: './prisma/dev.db', auth: { admin: process.env.SNAPSHOT_ADMIN_TOKEN } })
 * ```
 *
 * Where the host uses @fastify/schedule itself, it registers that first.
 */
export const fastifySqliteSnapshots = fp(plugin, { fastify: '5.x', name: 'fastify-sqlite-snapshots' })
