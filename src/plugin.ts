import fastifySchedule from '@fastify/schedule'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { ToadScheduler } from 'toad-scheduler'
import { OptionError } from './errors.ts'
import { snapshotMetrics } from './metrics/metrics.ts'
import { pluginSettings, type SnapshotsPluginOptions } from './options.ts'
import { authentication } from './routes/authentication.ts'
import { healthRoutes } from './routes/health.ts'
import { integrityRoutes } from './routes/integrity.ts'
import { maintenanceRoutes, refuseChanges } from './routes/maintenance.ts'
import { metricsRoute } from './routes/metrics.ts'
import { applyOwnRules } from './routes/own-rules.ts'
import { recoveryRoutes } from './routes/recovery.ts'
import { snapshotRoutes } from './routes/snapshots.ts'
import { tableRoutes } from './routes/tables.ts'
import { checkSchedule, ScheduledJobs } from './schedule/jobs.ts'
import { SnapshotContext } from './snapshots/context.ts'
import { SnapshotWriter } from './snapshots/snapshot-writer.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The snapshots of the application's database, and with `.recovery` its integrity. */
    snapshots: SnapshotWriter
    scheduler: ToadScheduler
  }
  interface FastifyContextConfig {
    /** A route of this plugin, which serves also while the application takes no changes. */
    isOfSnapshots?: boolean
  }
}

async function plugin (app: FastifyInstance, options: SnapshotsPluginOptions): Promise<void> {
  // A scope of its own inherits the decoration of one above it, and may have its own.
  if (Object.hasOwn(app, 'snapshots')) throw new OptionError('"database": this Fastify scope has its app.snapshots already, and for now a scope serves one database; register a second one in a scope with a prefix: app.register(async scope => { await scope.register(snapshots, { … }) }, { prefix: "/second" })')
  const settings = pluginSettings({ logger: app.log, ...options })
  checkSchedule(settings.schedule)
  const context = new SnapshotContext(settings)
  const writer = new SnapshotWriter(context)
  const jobs = new ScheduledJobs(writer, settings)
  // Before the server waits for its requests, so that they end; reading stays possible until it has closed.
  let isClosing = false
  app.addHook('preClose', async () => {
    isClosing = true
    jobs.stop()
    await writer.drain()
    await jobs.drain()
  })
  app.addHook('onClose', async () => { await writer.close() })
  app.decorate('snapshots', writer)

  refuseChanges(app, writer, settings.maintenance)
  const authenticate = authentication(settings.auth)
  await app.register(async scope => {
    const routes = applyOwnRules(scope, () => isClosing)
    snapshotRoutes(routes, writer, authenticate)
    tableRoutes(routes, writer, authenticate)
    integrityRoutes(routes, writer.recovery, authenticate)
    recoveryRoutes(routes, writer.recovery, settings.databaseName, authenticate)
    maintenanceRoutes(routes, writer, authenticate)
  }, { prefix: settings.prefix })
  await app.register(async scope => {
    const routes = applyOwnRules(scope, () => isClosing)
    if (settings.health !== false) healthRoutes(routes, settings.health.path, writer, authenticate)
    if (settings.metrics !== false) metricsRoute(routes, settings.metrics, snapshotMetrics(context), authenticate)
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
