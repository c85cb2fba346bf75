import Database from 'better-sqlite3'
import Fastify from 'fastify'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type * as Package from '../../src/index.ts'

/* An application with the built package: a route that reads its database, and one that tells how late its event loop was. */
const built = new URL('../../dist/index.js', import.meta.url).href
const { default: snapshots, S3Storage } = await import(built) as typeof Package
const [path, snapshotDir, s3] = process.argv.slice(2) as [string, string, string?]
const database = new Database(path, { timeout: 10_000 })
const read = database.prepare('SELECT id, text FROM events WHERE id = ?')
const delay = monitorEventLoopDelay({ resolution: 1 })

const app = Fastify()
app.get('/event', async () => read.all(Math.ceil(Math.random() * 10_000)))
app.get('/delay', async () => {
  const seen = { longestMs: delay.max / 1e6, p99Ms: delay.percentile(99) / 1e6 }
  delay.reset()
  return seen
})
await app.register(snapshots, { database: path, snapshotDir, auth: false, schedule: false, ...(s3 && { storage: new S3Storage(JSON.parse(s3)) }) })
const url = await app.listen({ port: 0, host: '127.0.0.1' })
delay.enable()
process.send?.(url)
process.once('disconnect', () => { void app.close().then(() => { database.close(); process.exit() }) })
